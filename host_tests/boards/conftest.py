"""`on_board` runs as on a board, in processes of its own: see `test_personalities.py`."""

collect_ignore = ["on_board"]
