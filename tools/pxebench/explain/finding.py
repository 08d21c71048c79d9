"""A conclusion about one program, and what it rests on: what each look of `findings` returns."""


class Finding:
    """`cause` or None; `proved`; `also`: further causes; `seen`: sentences; `out`: {cause: why
    not}; `unknown`: sentences; `facts`: [(id, text)]; `ports`: the client's ports it is about;
    `text`: instead of the cause's own, or None; `ask`: what would decide, of `asking`."""

    def __init__(self, cause=None, proved=False, also=(), text=None, ask=None):
        self.cause = cause
        self.proved = proved
        self.also = list(also)
        self.seen = []
        self.out = {}
        self.unknown = []
        self.facts = []
        self.ports = []
        self.text = text
        self.ask = ask

    def saw(self, *sentences):
        """Add what was seen; returns itself."""
        self.seen += sentences
        return self


def ports_of(program):
    """The client ports of its last boot, ascending, each once."""
    found = [port for talks in program.talks[-1:] for talk in talks for port in talk.source_ports]
    found += [port for port, _, _ in program.ports]
    return sorted({port for port in found if port > 0})


def mine(program, asked):
    """Of a machine's `evidence.Asked`s, those of this program."""
    talks = {id(talk) for talk in program.every}
    files = {(talk.request, port) for talk in program.every for port in talk.source_ports}
    return [
        one
        for one in asked
        if any(id(talk) in talks for _, talk in one.talks)
        or any((talk.request, one.port) in files for _, talk in one.talks)
    ]
