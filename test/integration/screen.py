"""A terminal for the tests: a child on a pseudo-terminal, and the screen it has drawn so far.

Understands what terminfo's `xterm` and `vt100` make ncurses write and fails on anything else, so
that a screen is never silently wrong.
"""
import codecs
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios

from harness import DEADLINE_S, INFINICACHE, wait_until

TOKEN = re.compile(r"\x1b\[(?P<private>[?>]?)(?P<numbers>[0-9;]*)(?P<final>[A-Za-z@])"
                   r"|\x1b(?P<plain>[=>78MHDE]|[()][0AB])"
                   r"|(?P<text>[^\x1b])", re.S)


class Screen:
    """ROWS by COLUMNS characters; COLOURED once a colour was asked for; ALTERNATE while the
    application has the screen to itself."""

    def __init__(self, rows, columns):
        self.coloured = self.alternate = False
        self.row = self.column = 0
        self.last = " "
        self.pending = ""
        self.resize(rows, columns)

    def resize(self, rows, columns):
        old = getattr(self, "cells", [])
        self.rows, self.columns = rows, columns
        self.cells = [[old[r][c] if r < len(old) and c < len(old[r]) else " "
                       for c in range(columns)] for r in range(rows)]
        self.region = (0, rows)  # the rows that scroll
        self._stay_inside()

    def lines(self):
        return ["".join(row).rstrip() for row in self.cells]

    def text(self):
        return "\n".join(self.lines())

    def _stay_inside(self):
        self.row = min(max(self.row, 0), self.rows - 1)
        self.column = min(max(self.column, 0), self.columns)

    def feed(self, text):
        self.pending += text
        while self.pending:
            token = TOKEN.match(self.pending)
            if token is None:
                assert len(self.pending) < 40, f"not understood: {self.pending[:40]!r}"
                return  # the rest of a sequence is to come
            self.pending = self.pending[token.end():]
            if token["text"] is not None:
                self._character(token["text"])
            elif token["final"] is not None:
                self._sequence(token)
            elif token["plain"] == "M" and self.row == self.region[0]:
                self._scroll(self.row, -1)
            elif token["plain"] == "M":
                self.row = max(self.row - 1, 0)
            else:
                assert token["plain"] in ("=", ">", "7", "8", "(B", ")B", ")0"), token[0]

    def _character(self, c):
        if c == "\r":
            self.column = 0
        elif c == "\n" and self.row == self.region[1] - 1:
            self._scroll(self.region[0], 1)
        elif c == "\n":
            self.row += 1
        elif c == "\b":
            self.column -= 1
        elif c in "\x0e\x0f\x07\0":
            pass
        else:
            assert c >= " ", repr(c)
            if self.column >= self.columns:
                self.row, self.column = self.row + 1, 0
                self._stay_inside()
            self.cells[self.row][self.column] = self.last = c
            self.column += 1
            return
        self._stay_inside()

    def _scroll(self, at, lines):
        """The rows from AT to the region's end move up by LINES, or down if that is negative."""
        end = self.region[1]
        blank = [[" "] * self.columns for _ in range(abs(lines))]
        rows = self.cells[at:end]
        rows = rows[lines:] + blank if lines > 0 else blank + rows
        self.cells[at:end] = rows[-(end - at):] if lines > 0 else rows[:end - at]

    def _blank(self, row, begin, end):
        for c in range(max(begin, 0), min(end, self.columns)):
            self.cells[row][c] = " "

    def _sequence(self, token):
        private, final = token["private"], token["final"]
        numbers = [int(n or 0) for n in token["numbers"].split(";")]
        n = max(numbers[0], 1)
        if private or final in "hlt":
            if private == "?" and 1049 in numbers:
                self.alternate = final == "h"
        elif final == "r":
            whole = len(numbers) < 2 or numbers[1] == 0
            self.region = (0, self.rows) if whole else (n - 1, min(numbers[1], self.rows))
            self.row = self.column = 0
        elif final == "m":
            self.coloured |= any(30 <= code <= 47 and code not in (39,) for code in numbers)
        elif final in "Hf":
            self.row, self.column = n - 1, max(numbers[1] if len(numbers) > 1 else 1, 1) - 1
        elif final in "ABCDGd":
            step = {"A": (-n, 0), "B": (n, 0), "C": (0, n), "D": (0, -n)}.get(final, (0, 0))
            self.row, self.column = self.row + step[0], self.column + step[1]
            self.column = n - 1 if final == "G" else self.column
            self.row = n - 1 if final == "d" else self.row
        elif final == "J":
            assert numbers[0] in (0, 2), token[0]
            for row in range(0 if numbers[0] == 2 else self.row, self.rows):
                whole = numbers[0] == 2 or row > self.row
                self._blank(row, 0 if whole else self.column, self.columns)
        elif final == "K":
            assert numbers[0] in (0, 1), token[0]
            self._blank(self.row, *((self.column, self.columns) if numbers[0] == 0
                                    else (0, self.column + 1)))
        elif final == "X":
            self._blank(self.row, self.column, self.column + n)
        elif final == "b":
            for _ in range(n):
                self._character(self.last)
        elif final in "P@":
            line, at = self.cells[self.row], self.column
            line = line[:at] + ([" "] * n + line[at:] if final == "@" else line[at + n:] + [" "] * n)
            self.cells[self.row] = line[:self.columns]
        elif final in "LMST":
            self._scroll(self.row if final in "LM" else self.region[0], n if final in "MS" else -n)
        else:
            raise AssertionError(f"not understood: {token[0]!r}")
        self._stay_inside()


def _default_signals():
    """For a child that is sent signals: this run itself may ignore them (nohup, background)."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGWINCH):
        signal.signal(number, signal.SIG_DFL)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """`infinicache ARGS` on a terminal of TERM's kind; use in a `with`."""

    def __init__(self, *args, rows=24, columns=100, term="xterm", **environment):
        self.master, slave = pty.openpty()
        self.screen = Screen(rows, columns)
        self.decoder = codecs.getincrementaldecoder("utf-8")()
        self.output = ""
        self._set_size(rows, columns)
        self.modes = termios.tcgetattr(slave)
        self.slave = slave  # kept open: its modes are looked at when the child is gone
        self.process = subprocess.Popen(
            [str(INFINICACHE), *map(str, args)], stdin=slave, stdout=slave, stderr=slave,
            start_new_session=True, preexec_fn=_default_signals,
            env={**{k: v for k, v in os.environ.items() if k not in ("LINES", "COLUMNS", "NO_COLOR")},
                 "TERM": term, "LC_ALL": "C.UTF-8", **environment})

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.slave)
        os.close(self.master)

    def _set_size(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        self.read()
        self.screen.resize(rows, columns)
        self._set_size(rows, columns)

    def read(self):
        """What the child has written since; the screen is up to date then."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                text = self.decoder.decode(os.read(self.master, 65536))
            except OSError:
                return  # the child has closed it
            self.output += text
            self.screen.feed(text)

    def press(self, keys):
        os.write(self.master, keys.encode())

    def shows(self, wanted, what=None):
        """Waits until WANTED (a text, or a function of the lines) is on the screen; the lines."""
        def seen():
            self.read()
            assert self.process.poll() is None, f"it has ended:\n{self.screen.text()}"
            lines = self.screen.lines()
            found = wanted(lines) if callable(wanted) else wanted in "\n".join(lines)
            return lines if found else None
        try:
            return wait_until(seen, what or f"{wanted!r} on the screen")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.screen.text()}") from error

    def ends(self):
        """Waits for the child's end; its exit status. The terminal must be as it was."""
        def ended():
            self.read()  # or it would wait for us
            return self.process.poll() is not None
        wait_until(ended, "the end", DEADLINE_S)
        self.read()
        assert termios.tcgetattr(self.slave) == self.modes, "the terminal's modes are not restored"
        return self.process.returncode
