"""The ROMs' README says of `tftp.on` what the code says."""

from pxerom import rom_check

from tools import rom_words


def test_tables_in_the_roms_readme_are_the_codes_own():
    assert rom_words.README.read_text("utf-8") == rom_words.page(), (
        "run `python tools/rom_words.py`"
    )


def test_every_hazard_and_every_word_has_a_meaning():
    hazards = [line.split(" ") for line in rom_check._ON.split("\n")]
    assert [hazard for hazard, *_ in hazards] == list(rom_words.HAZARDS)
    words = {word for _, kinds, _ in hazards for word in kinds.split("|")}
    assert words == {word for word in rom_words.WORDS if " " not in word}
    absent = [hazard for hazard, _, default in hazards if default == "null"]
    assert absent == list(rom_words.ABSENT)
