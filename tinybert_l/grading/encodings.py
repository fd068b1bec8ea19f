"""Tell in which encoding texts were written that do not say it: names in archives, tables."""

import re
import unicodedata
from contextlib import suppress
from functools import cache

# that are considered
ENCODINGS = ("gb18030", "big5", "cp932", "cp949", "cp850", "cp1252", "cp866", "cp1251", "cp737")
_SCRIPTS = {"cp866": "CYRILLIC", "cp1251": "CYRILLIC", "cp737": "GREEK"}
SURE = 0.6  # share of a name's characters that must be usual in an encoding
_SURNAMES = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩邓冯曹彭曾肖田董潘袁蔡蒋余于杜"
_SURNAMES += "叶程魏苏吕丁任卢姚沈钟姜崔谭陆范汪廖石金韦贾夏付方邹熊白孟秦邱侯江尹薛闫段雷龙黎史陶"
_SURNAMES += "贺毛郝顾龚邵万钱覃武戴孔汤庞樊兰殷施洪翟安倪严牛温芦季俞章鲁葛伍申尤毕聂柴焦向柳邢岳"
_KOREAN_SURNAMES = "김이박최정강조윤장임한오서신권황안송류전홍고문양손배백허유남심노하곽성차주"
_SURNAMES += "張劉陳楊黃趙吳孫馬鄭謝許韓鄧馮蕭葉蘇呂盧鐘譚陸範賈鄒閻龍賀顧錢湯龐蘭歐阳陽欧"

# names of columns that decide a table's encoding: in another they are no words
_COLUMNS = {
    "gb18030": ("学号", "姓名", "工号", "成绩", "分数", "用户名", "名字", "班级", "时间"),
    "big5": ("學號", "姓名", "成績", "分數", "使用者名稱", "班級", "時間"),
    "cp932": ("学籍番号", "学生番号", "氏名", "ユーザ名", "成績"),
    "cp949": ("학번", "이름", "성명", "성적"),
}
HEADER_CHARACTERS = 2000  # in which the names of the columns stand
LEAD = 0.2  # by which Chinese must be more usual than any other reading
LEAST_CELLS = 3  # with letters that are not ASCII: fewer decide nothing


def encoding_of(names: list[bytes]) -> str:
    """Decide in which encoding names were written that are not ASCII; "?" where none fits."""
    if not names:
        return "utf-8"
    with suppress(UnicodeDecodeError):
        for name in names:
            name.decode("utf-8")
        return "utf-8"
    scores = _scores(names)
    best = max(scores, key=lambda encoding: scores[encoding], default="?")
    return best if scores.get(best, 0) >= SURE else "?"


def _scores(names: list[bytes]) -> dict[str, float]:
    """Return, for each encoding in which names can be read, which share of them is usual there."""
    scores = {}
    for encoding in ENCODINGS:
        with suppress(UnicodeDecodeError):
            texts = [name.decode(encoding) for name in names]
            scores[encoding] = _usual_share(texts, encoding)
    return scores


def encoding_of_table(raw: bytes) -> str:
    """Decide in which encoding a table was written that is not UTF-8; empty where it is unsure.

    A spreadsheet in China saves "CSV" in GBK and does not say so. A table names its columns, which
    decide; without such a name there must be several people with Chinese names.
    """
    for encoding, columns in _COLUMNS.items():
        with suppress(UnicodeDecodeError):
            text = raw.decode(encoding)
            if any(column in text[:HEADER_CHARACTERS] for column in columns):
                return encoding
    # no other separator: "|" is the second half of some Chinese characters
    cells = [cell for cell in re.split(rb"[,;\t\r\n\" ]+", raw) if not cell.isascii()]
    scores = _scores(cells)
    chinese = scores.pop("gb18030", 0.0)
    others = max(scores.values(), default=0.0)
    is_clear = chinese > 1 and chinese >= others + LEAD and len(cells) >= LEAST_CELLS
    return "gb18030" if is_clear else ""


def _usual_share(names: list[str], encoding: str) -> float:
    """Return which share of names' characters is usual where this encoding is used.

    A name that begins with a common Chinese or Korean surname counts as more.
    """
    usual = 0.0
    total = 0
    for name in names:
        person = name.split("/")[0].split("_")[0]
        for index, character in enumerate(name):
            if character.isascii():
                continue
            total += 1
            usual += _is_usual(character, name[max(0, index - 2) : index], encoding)
        if person and person[0] in _SURNAMES and encoding in ("gb18030", "big5"):
            usual += 0.5
        if person and person[0] in _KOREAN_SURNAMES and encoding == "cp949":
            usual += 0.5
    return usual / max(total, 1)


def _is_usual(character: str, before: str, encoding: str) -> bool:
    """Tell whether a character is usual in an encoding.

    Args:
        before: the two characters before it, where there are so many.
    """
    # a capital letter inside a word is a sign of the wrong encoding
    is_inside = before[-1:].islower() and character.isupper()
    if encoding in ("cp850", "cp1252"):
        is_row = len(before) == 2 and not any(map(str.isascii, before))  # of accented letters
        return character.isalpha() and not is_inside and not is_row
    if encoding in _SCRIPTS:  # words are of one script
        is_of_script = unicodedata.name(character, "").startswith(_SCRIPTS[encoding])
        is_mixed = before[-1:].isascii() and before[-1:].isalpha()
        return is_of_script and not is_mixed and not is_inside
    return character in _usual_characters(encoding)


@cache
def _usual_characters(encoding: str) -> frozenset[str]:
    """Return the common characters of an encoding: its first level, kana, syllables."""
    ranges: dict[str, list[tuple[int, int]]] = {
        "gb18030": [(0xB0A1, 0xD7F9)],
        "big5": [(0xA440, 0xC67E)],
        "cp932": [(0x829F, 0x82F1), (0x8340, 0x8396), (0x889F, 0x9872), (0x815B, 0x815B)],
        "cp949": [(0xB0A1, 0xC8FE)],
    }
    characters = set("·（）")
    for first, last in ranges[encoding]:
        for code in range(first, last + 1):
            with suppress(UnicodeDecodeError):
                characters.update(code.to_bytes(2, "big").decode(encoding))
    return frozenset(characters)
