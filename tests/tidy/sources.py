"""The files that the checks in this folder look at, and their text without comments."""
import re

LAYERS = ("base", "sdk", "state", "placement", "actors", "sidecar", "doctor", "cli")
CODE_FOLDERS = LAYERS + ("deploy", "tests")


def files(root, folders, *patterns):
    """Every matching file below the folders, in a fixed order."""
    found = {p for f in folders for pattern in patterns for p in (root / f).rglob(pattern)}
    return sorted(p for p in found if p.is_file())


def name_of(root, path):
    return path.relative_to(root).as_posix()


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)


def code_lines(text):
    """(number, line) with comments and the content of strings blanked out.

    Lines that include a header keep its name.
    """
    def blank(match):
        token = match[0]
        start = text.rfind("\n", 0, match.start()) + 1
        if token[0] == '"' and re.match(r"\s*#\s*include\b", text[start:match.start()]):
            return token
        return re.sub(r"[^\n]", " ", token)

    return list(enumerate(TOKEN.sub(blank, text).split("\n"), 1))
