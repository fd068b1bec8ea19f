"""Read `vocab.txt`, one word piece a line, into a tokenizer whose rules the entry cannot change."""

from typing import TYPE_CHECKING

from tinybert_l.course.capstone.description import Description
from tinybert_l.course.capstone.rules import VOCABULARY, EntryRefused

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PIECES_LIMIT = 60_000
PIECE_LIMIT = 100  # characters
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")


def read_pieces(raw: bytes) -> dict[str, int]:
    """Return the id of each word piece: its line, from 0.

    Raises:
        EntryRefused: not UTF-8, too many, too long or repeated pieces, or a special one is missing.
    """
    try:
        lines = raw.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise EntryRefused(f"{VOCABULARY}: not UTF-8 at byte {error.start}.") from None
    if lines[-1] == "":
        lines.pop()
    if len(lines) > PIECES_LIMIT:
        raise EntryRefused(
            f"{VOCABULARY}: {len(lines):,} lines; allowed: at most {PIECES_LIMIT:,}. 词表过大。"
        )
    pieces: dict[str, int] = {}
    for number, line in enumerate(lines):
        piece = line.removesuffix("\r")
        if not 1 <= len(piece) <= PIECE_LIMIT or piece != piece.strip():
            raise EntryRefused(
                f"{VOCABULARY}, line {number + 1}: allowed: 1 to {PIECE_LIMIT} characters without "
                "blanks around them. 词片无效。"
            )
        if piece in pieces:
            raise EntryRefused(f"{VOCABULARY}, line {number + 1}: repeated. 词片重复。")
        pieces[piece] = number
    missing = [piece for piece in SPECIAL if piece not in pieces]
    if missing:
        raise EntryRefused(f"{VOCABULARY}: {', '.join(missing)} is missing. 缺少特殊词片。")
    return pieces


def make_tokenizer(pieces: dict[str, int], description: Description) -> "Tokenizer":
    """Return BERT's tokenizer for these word pieces, without any rule of the entry's own."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer
    from tokenizers.processors import BertProcessing

    tokenizer = Tokenizer(WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=description.lowercase)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    ends = [(piece, pieces[piece]) for piece in ("[SEP]", "[CLS]")]
    tokenizer.post_processor = BertProcessing(*ends)
    tokenizer.enable_truncation(description.max_tokens)
    return tokenizer
