"""Tell by its first bytes what a file is that was handed in as something else."""

_SIGNATURES = (
    (b"PK\x03\x04", "a zip file 压缩包（zip）"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: ask for .zip 压缩包（7z），请改用zip"),
    (b"Rar!", "a RAR archive: ask for .zip 压缩包（RAR），请改用zip"),
    (b"\x1f\x8b", "a gzip archive (.gz, .tgz): ask for .zip 压缩包（gzip），请改用zip"),
    (b"BZh", "a bzip2 archive (.bz2): ask for .zip 压缩包（bzip2），请改用zip"),
    (b"\xfd7zXZ\0", "an xz archive (.xz): ask for .zip 压缩包（xz），请改用zip"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive (.zst): ask for .zip 压缩包（zstd），请改用zip"),
    (b"MSCF\0\0\0\0", "a cabinet (.cab): ask for .zip 压缩包（cab），请改用zip"),
    (b"MZ\x90\0", "a program (.exe): ask for .zip 可执行程序，请改用zip"),
    (b"{\\rtf", "a document (.rtf) 文档（rtf）"),
    (b"%PDF", "a PDF file PDF文件"),
    (b"\xd0\xcf\x11\xe0", "an old Office file (.doc, .xls) Office文件"),
    (b"\x89PNG", "a picture 图片"),
    (b"\xff\xd8\xff", "a picture 图片"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS, not the file itself Git LFS指针，不是文件本身",
    ),
)
_WEB_PAGES = (b"<!doctype html", b"<html", b"<head", b"<?xml", b"<table", b"<meta")
_BEGINNING = 1000  # bytes that are looked at


def kind_of(raw: bytes) -> str:
    """Return what a file is, for a message; empty where its beginning does not tell.

    >>> kind_of(b"")
    'empty 空文件'
    """
    beginning = raw[:_BEGINNING].lstrip(b"\xef\xbb\xbf\0 \t\r\n")
    if not beginning:
        return "empty 空文件"
    for signature, kind in _SIGNATURES:
        if raw.startswith(signature):
            return kind
    if beginning.lower().startswith(_WEB_PAGES):
        return "a web page: was it saved from the browser? 网页，不是文件本身"
    return ""
