"""Random programs, and what they must give: the reference that chaos_app.c is compared with,
written from the description at its head."""

MASK = (1 << 64) - 1


def hash_text(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & MASK
    return value


def mix(accumulator, text):
    return ((accumulator ^ hash_text(text)) * 0x9E3779B97F4A7C15 + 1) & MASK


class Program:
    """Steps as text, with what the reference says of it."""

    def __init__(self, rng, app, apps, depth=0):
        self.app, self.events, self.children = app, 0, 0
        self.steps = [self._draw(rng, apps, depth) for _ in range(rng.randint(1, 7 - 2 * depth))]
        if depth == 0:  # what is raised in the end is taken last: see client.py
            self.steps.append("e")
            self.events += 1

    def _draw(self, rng, apps, depth):
        other = next(app for app in apps if app != self.app)
        where = f"@{other}" if rng.random() < 0.3 else ""
        kinds = "aaaaattrrqxfl" + ("eeennckk" if depth == 0 else "ck" if depth == 1 else "")
        kind = rng.choice(kinds)
        if kind == "a":
            return f"a{rng.choice([1, 1, 1, 2, 3, 8])}{where}"
        if kind in "trq":
            return f"{kind}{rng.choice([1, 20, 50, 300])}"
        if kind in "ck":
            child = Program(rng, other if where else self.app, apps, depth + 1)
            self.children += 1 + child.children
            told = f"u@{self.app} " if kind == "k" else ""
            return f"{kind}{where}{{{told}{' '.join(child.steps)}}}"
        if kind == "e":
            self.events += 1
        return kind

    @property
    def input(self):
        return "0|" + " ".join(self.steps)

    @property
    def output(self):
        payloads = (payload_of(number) for number in range(self.events))
        return str(run(" ".join(self.steps), 0, payloads))


def payload_of(number):
    return f"item-{number}"


def run(steps, accumulator, payloads):
    at = 0
    while at < len(steps):
        kind, at = steps[at], at + 1
        if kind == " ":
            continue
        digits, at = _while(steps, at, str.isdigit)
        number = int(digits or 0)
        if steps[at:at + 1] == "@":
            _, at = _while(steps, at + 1, lambda c: c not in " {")
        body = ""
        if steps[at:at + 1] == "{":
            body, at = _body(steps, at + 1)
        accumulator = _step(kind, number, body, accumulator, payloads)
    return accumulator


def _step(kind, number, body, accumulator, payloads):
    def output(index):
        return str(hash_text(f"{kind}{accumulator}.{index}"))

    if kind == "a":
        for value in [output(index) for index in range(number)]:
            accumulator = mix(accumulator, value)
    elif kind in "rfl":
        accumulator = mix(accumulator, output(0))
    elif kind == "x":
        accumulator = mix(accumulator, "Declined")
    elif kind == "q":
        accumulator = mix(accumulator, "silence")
    elif kind == "e":
        accumulator = mix(accumulator, next(payloads))
    elif kind in "ck":
        child = run(body, accumulator, payloads)
        if kind == "k":
            accumulator = mix(accumulator, "told")
        accumulator = mix(accumulator, str(child))
    return accumulator


def _while(text, at, holds):
    end = at
    while end < len(text) and holds(text[end]):
        end += 1
    return text[at:end], end


def _body(text, at):
    depth, end = 1, at
    while depth:
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        end += 1
    return text[at:end - 1], end
