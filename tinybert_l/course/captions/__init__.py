"""Words for people: titles of columns, labels of rows and titles of benchmarks, in two languages.

The only place where a record's identifiers become words. No program reads these words back: change
them freely. Lectures, the results page and the benchmarks' printed tables all take them from here.
"""

from tinybert_l.course.captions.columns import COLUMNS, NAME, SPREAD, VERDICT_COLUMNS, Column
from tinybert_l.course.captions.identifiers import VALUES, caption
from tinybert_l.course.captions.labels import key_label, label, reading_words
from tinybert_l.course.captions.stored import stored_words
from tinybert_l.course.captions.titles import BENCHMARK_TITLES, benchmark_title
from tinybert_l.course.captions.words import Caption
