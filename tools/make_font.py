"""Rebuild tinybert_l/course/fonts: `pip install -e '.[font]' && python tools/make_font.py`.

Figures need a small Chinese font, since student machines may have none. Takes Noto Sans SC (SIL
Open Font License 1.1) from the package justmytype-intl-cjk, fixes its weight at regular, and keeps
ASCII, the punctuation that the course uses and the 3,755 characters of GB 2312's first level.
"""

from importlib.metadata import files
from pathlib import Path

from fontTools.subset import Options, Subsetter
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont

TARGET = Path(__file__).resolve().parent.parent / "tinybert_l" / "course" / "fonts"
EXTRA = "，。、；：？！“”‘’（）《》【】…—·×±≤≥≈→←↑↓½¼¾⅓⅔²³µαβγλ∑√∞○●△□✓✗" + "蒸馏矩阵帧熵瓶颈苛蕴"


def first_level() -> str:
    """GB 2312's 3,755 most common characters, rows 16 to 55."""
    characters = []
    for row in range(0xB0, 0xD8):
        for cell in range(0xA1, 0xFF):
            characters.append(bytes((row, cell)).decode("gb2312", errors="ignore"))
    return "".join(characters)


def packaged(name: str, folder: str) -> Path:
    """The path of a file in the font's package."""
    for file in files("justmytype-intl-cjk") or []:
        if file.name == name and file.parent.name == folder:
            return Path(str(file.locate()))
    raise FileNotFoundError(f"make_font: justmytype-intl-cjk has no {folder}/{name}.")


def main() -> None:
    font = TTFont(packaged("NotoSansSC[wght].ttf", "notosanssc"))
    font = instantiateVariableFont(font, {"wght": 400}, updateFontNames=False)
    options = Options()
    options.layout_features = []
    options.hinting = False
    options.name_IDs = [0, 1, 2, 3, 4, 5, 6, 13, 14]
    subsetter = Subsetter(options)
    subsetter.populate(text="".join(map(chr, range(32, 127))) + EXTRA + first_level())
    subsetter.subset(font)
    for record in font["name"].names:
        if record.nameID in (1, 4, 6, 16):
            record.string = "TinyBERTL Sans SC" if record.nameID != 6 else "TinyBERTLSansSC-Regular"
    TARGET.mkdir(exist_ok=True)
    font.save(TARGET / "TinyBERTLSansSC-Regular.ttf")
    (TARGET / "OFL.txt").write_bytes(packaged("OFL.txt", "notosanssc").read_bytes())


if __name__ == "__main__":
    main()
