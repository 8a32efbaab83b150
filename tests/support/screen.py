"""What stands on a terminal after it was given some text: line ends, carriage returns, and the moves of our display."""

import re


class Screen:
    """An endless terminal. `frames` are all that it has shown, each a list of lines."""

    def __init__(self) -> None:
        self.lines = [""]
        self.frames: list[list[str]] = []
        self._row = self._column = 0

    def write(self, text: str) -> None:
        for part in re.split(r"(\x1b\[\d*[AJK]|\r|\n)", text):
            self._take(part)
        self.frames.append([line for line in self.lines if line])

    def _take(self, part: str) -> None:
        if part == "\r":
            self._column = 0
        elif part == "\n":
            self._row, self._column = self._row + 1, 0
            self.lines += [""] * (self._row + 1 - len(self.lines))
        elif part.startswith("\x1b") and part.endswith("A"):
            self._row -= int(part[2:-1])
            assert self._row >= 0
        elif part.startswith("\x1b"):
            self.lines[self._row] = self.lines[self._row][: self._column]
            if part.endswith("J"):
                del self.lines[self._row + 1 :]
        else:
            assert "\x1b" not in part
            line = self.lines[self._row].ljust(self._column)
            self.lines[self._row] = line[: self._column] + part + line[self._column + len(part) :]
            self._column += len(part)
