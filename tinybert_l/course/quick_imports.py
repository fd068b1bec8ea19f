"""Import this before nbformat in a program: it spares a second of processor time.

jsonschema, which nbformat needs, checks internationalised addresses where it finds rfc3987_syntax,
and that builds forty grammars when it is imported. No notebook holds such an address.
"""

import sys

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # it counts as missing
