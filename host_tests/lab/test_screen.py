"""A board's text is the same, wherever the reads cut it."""

from host_tests.lab.screen import Screen

_PRINTED = "1\r\nä\r\n99 %\r100 %\r\n\r\n>>> "


def _screen(*parts):
    screen = Screen()
    for part in parts:
        screen.add(part)
    return screen


def test_every_cut_gives_the_same_text():
    data = _PRINTED.encode()
    for at in range(len(data) + 1):
        assert _screen(data[:at], data[at:]).text == "1\nä\n99 %\r100 %\n\n>>> ", at
    assert _screen(*(data[n : n + 1] for n in range(len(data)))).text == _screen(data).text


def test_words_are_found_once_for_each_time_they_come():
    screen = _screen(b"boot\r\nbo")
    assert screen.find("boot") and not screen.find("boot")
    screen.add(b"ot\r\n")
    assert screen.find("boot") and not screen.find("boot")


def test_what_one_read_brought_is_found_in_its_order():
    screen = _screen(b"booted\r\n>>> ")
    assert screen.find("booted") and screen.find("\n>>> ")
