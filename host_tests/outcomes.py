"""What `core/run.py` and `shim/run.py` print, read back; and which tests they should have run.

The tests are read from the sources, so that one which the runner lost, or never reached because
its interpreter died, is a failure and not a gap.
"""

import ast


def names_in(path):
    """The tests of a file, as the runners name them: MODULE.test_NAME."""
    return [
        f"{path.stem}.{node.name}"
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


class Outcomes:
    """What came of a runner's tests, from what it printed and its exit code."""

    def __init__(self, code, output):
        self.tests = {}  # name: (passed, what was printed after it)
        self.ended = False
        self.last = f"exit code {code}, the last that was heard:\n{output[-2000:]}"
        name = None
        for line in output.splitlines():
            word, _, rest = line.partition(" ")
            if word in ("ok", "FAILED"):
                name = rest.split(" ")[0]
                self.tests[name] = (word == "ok", "")
            elif word == "end":
                self.ended = True
            elif name:
                passed, text = self.tests[name]
                self.tests[name] = (passed, text + line + "\n")

    def check(self, name):
        """Fail as the test `name` did, if it did; also when it never ran."""
        assert name in self.tests, f"the runner never came to it: {self.last}"
        passed, text = self.tests[name]
        assert passed, text
