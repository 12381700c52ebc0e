"""Opens report pages in a headless Chromium, over the DevTools protocol, and checks what people see and do on them.

    python3 .ci/browser.py CHROMIUM CAUDAL [--screenshots FOLDER]

CHROMIUM and CAUDAL are the programs. Needs nothing but Python's standard library.
"""

import argparse
import base64
import fcntl
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import time

# How long a page, or an answer of the browser, may take.
PATIENCE = 20
# The exit code where the browser does not start or answer, which tells nothing of the pages.
NO_ANSWER = 3
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--remote-debugging-pipe",
]
# The elements that end beyond the right edge of the page, but for those inside of what scrolls by itself.
BEYOND = """[...document.body.querySelectorAll("*")].filter((it) => !it.parentElement.closest(".frame, pre") && !it.hidden
    && it.getBoundingClientRect().right > document.documentElement.clientWidth + 0.5).map((it) => it.outerHTML.slice(0, 80))"""
HOSTILE = '<script>bad=1</script>"\'&\u0633'


class NoAnswer(RuntimeError):
    """The browser does not start, has crashed, or takes too long."""


class Browser:
    """A browser at the other end of two pipes: 3 is what it reads, 4 what it writes; messages end in a zero byte."""

    def __init__(self, program, profile):
        (read, self.to), (self.answers, write) = os.pipe(), os.pipe()

        def hand_over():
            # Out of each other's way first.
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (read, write)]
            for end, number in zip(ends, (3, 4)):
                os.dup2(end, number)

        self.process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"],
            preexec_fn=hand_over, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        os.close(read)
        os.close(write)
        self.buffer, self.number, self.session, self.events = b"", 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log"]:
            self.call(f"{domain}.enable")

    def receive(self, until):
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.answers], [], [], max(0, until - time.monotonic()))
            more = os.read(self.answers, 1 << 16) if ready else b""
            if not more:
                raise NoAnswer("the browser does not answer")
            self.buffer += more
        message, _, self.buffer = self.buffer.partition(b"\0")
        return json.loads(message)

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        try:
            os.write(self.to, json.dumps(message).encode() + b"\0")
        except BrokenPipeError as gone:
            raise NoAnswer("the browser has ended") from gone
        until = time.monotonic() + PATIENCE
        while True:
            answer = self.receive(until)
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        until = time.monotonic() + PATIENCE
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self.receive(until))

    def open(self, path, width=1280, height=900, dark=False):
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.events.clear()
        self.call("Page.navigate", url=path.absolute().as_uri())
        self.wait_for("Page.loadEventFired")

    def value(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    def errors(self):
        """What the page has complained about since it was opened."""
        told = {"Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening"}
        return [event for event in self.events if event.get("method") in told]

    def center(self, selector):
        """Where an element is, after it was scrolled into view."""
        return self.value(
            f"(() => {{ const it = document.querySelector({json.dumps(selector)}); it.scrollIntoView({{block: 'center'}});"
            " const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )

    def move_to(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector, text=None):
        mark = f"""(() => {{
            const all = [...document.querySelectorAll({json.dumps(selector)})];
            document.querySelectorAll("[data-clicked]").forEach((it) => it.removeAttribute("data-clicked"));
            all.find((it) => {json.dumps(text)} === null || it.textContent === {json.dumps(text)}).dataset.clicked = "";
        }})()"""
        self.value(mark)
        x, y = self.center("[data-clicked]")
        for kind in ["mousePressed", "mouseReleased"]:
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def press(self, key):
        for kind in ["keyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def screenshot(self, path):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 12000), "scale": 1}
        image = self.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(image["data"]))

    def close(self):
        try:
            self.session = None
            self.call("Browser.close")
        except (RuntimeError, OSError):
            pass
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Checks:
    """What holds and what does not."""

    def __init__(self):
        self.failed = []
        self.count = 0

    def expect(self, what, holds):
        self.count += 1
        if not holds:
            self.failed.append(what)
            print(f"FAILED: {what}")


def check_every_page(checks, browser, path, screenshots):
    """Widths, colours and complaints."""
    name = path.stem
    looks = [("light", 1280, False), ("dark", 1280, True), ("phone", 360, False)]
    for look, width, dark in looks:
        browser.open(path, width=width, height=900, dark=dark)
        checks.expect(f"{name}, {look}: nothing on the console: {browser.errors()}", not browser.errors())
        scrolls = browser.value("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        checks.expect(f"{name}, {look}: the page does not scroll sideways", not scrolls)
        paper = browser.value("getComputedStyle(document.body).backgroundColor")
        light = sum(int(part) for part in paper[4:-1].split(",")) > 382
        checks.expect(f"{name}, {look}: the paper is {paper}", light != dark)
        unnamed = browser.value(
            "[...document.querySelectorAll('button, input, svg')].filter((it) => !(it.getAttribute('aria-label') ||"
            " it.textContent.trim() || it.closest('label'))).length"
        )
        checks.expect(f"{name}, {look}: everything to press and to look at has a name", unnamed == 0)
        beyond = browser.value(BEYOND)
        checks.expect(f"{name}, {look}: nothing is beyond the page's width: {beyond}", not beyond)
        if screenshots:
            browser.screenshot(screenshots / f"{name}-{look}.png")


def check_training(checks, browser, path):
    browser.open(path)
    names = browser.value("[...document.querySelectorAll('h2')].map((it) => it.textContent)")
    wanted = ["Loss by epoch", "accuracy by epoch", "Loss by step", "Learning rate by step", "Losses and metrics by epoch"]
    for name in wanted:
        checks.expect(f"the page has `{name}`", any(name in other for other in names))
    # Values under the pointer and under the keys.
    x, y = browser.center(".chart .plot .series polyline")
    browser.move_to(x, y)
    told = browser.value("document.querySelector('.chart .values').textContent")
    checks.expect(f"a curve tells its values: {told}", "epoch " in told and "training, each batch before its update: " in told)
    browser.value("document.querySelector('.chart .frame').focus()")
    browser.press("ArrowRight")
    first = browser.value("document.querySelector('.chart .values').textContent")
    browser.press("ArrowRight")
    second = browser.value("document.querySelector('.chart .values').textContent")
    checks.expect(f"arrow keys go from value to value: {first}; {second}", first and second and first != second)
    # The switches of the chart over steps.
    curve = "[...document.querySelectorAll('.chart')].find((it) => it.querySelector('svg').ariaLabel === 'loss by step')"
    points = f"{curve}.querySelector('.series polyline:last-of-type').getAttribute('points')"
    labels = f"[...{curve}.querySelectorAll('.marks text')].map((it) => it.textContent).join(' ')"
    before, marks = browser.value(points), browser.value(labels)
    browser.value(f"{curve}.querySelector('.tools button').click()")
    logarithmic, powers = browser.value(points), browser.value(labels)
    checks.expect(f"the axis becomes logarithmic: {marks}; {powers}", logarithmic != before and "e" in powers and powers != marks)
    browser.value(f"{curve}.querySelector('.tools button').click()")
    checks.expect("and linear again", browser.value(labels) == marks)
    browser.value(f"(() => {{ const it = {curve}.querySelector('input'); it.value = 0.9; it.dispatchEvent(new Event('input')); }})()")
    rough = "((points) => points.slice(1).reduce((sum, y, at) => sum + Math.abs(y - points[at]), 0))"
    ys = "(text) => text.split(' ').map((it) => Number(it.split(',')[1]))"
    raw = browser.value(f"{rough}(({ys})({curve}.querySelector('.series polyline').getAttribute('points')))")
    smooth = browser.value(f"{rough}(({ys})({points}))")
    checks.expect(f"curves become smooth: {raw} to {smooth}", smooth < raw / 2)
    # Maps: zoom, search.
    view = "document.querySelector('.map svg').getAttribute('viewBox')"
    whole = browser.value(view)
    browser.click(".map .tools button", "+")
    near = browser.value(view)
    checks.expect(f"a map is enlarged: {whole}; {near}", float(near.split()[2]) < float(whole.split()[2]))
    browser.value("document.querySelector('.map .frame').focus()")
    browser.press("ArrowRight")
    checks.expect("a key moves it", browser.value(view) != near)
    browser.press("0")
    checks.expect("another shows all", browser.value(view) == whole)
    faded = "[...document.querySelectorAll('.map svg *')].filter((it) => it.style.opacity === '0.12').length"
    search = "(() => { const it = document.querySelector('.map input'); it.value = %s; it.dispatchEvent(new Event('input')); })()"
    browser.value(search % json.dumps("no such node"))
    checks.expect("a search fades what it does not find", browser.value(faded) > 10)
    browser.value(search % json.dumps(""))
    checks.expect("an empty one fades nothing", browser.value(faded) == 0)
    # The timeline: what each part says of itself, its messages, memory.
    browser.value("""(() => {
        const bars = [...document.querySelectorAll('.parts [data-task]')];
        const busy = bars.find((bar) => document.querySelector('.parts').dataset.messages.includes('>' + bar.dataset.task + ' '));
        busy.id = 'busy';
    })()""")
    hints = browser.value("[...document.querySelectorAll('.parts [data-task]')].every((bar) => bar.querySelector('title'))")
    checks.expect("every part of a timeline says what it is", hints)
    x, y = browser.center("#busy")
    browser.move_to(x, y)
    arrows = "document.querySelectorAll('.parts .messages path').length"
    checks.expect("a part under the pointer shows its messages", browser.value(arrows) > 0)
    browser.move_to(2, 2)
    checks.expect("which go away with it", browser.value(arrows) == 0)
    memory = browser.value("[...document.querySelectorAll('svg polygon title')].map((it) => it.textContent).join()")
    checks.expect(f"memory stands below the workers: {memory}", "memory of recycled buffers" in memory)


# Of the chart of speedups: every curve with its name and numbers, the words of its legend, and the numbers of workers below it.
SPEEDUPS = """(() => {
    const chart = [...document.querySelectorAll(".chart")].find((it) => it.querySelector("svg").ariaLabel.startsWith("speedup over "));
    const numbers = (text) => text.split(" ").map(Number);
    const curves = [...chart.querySelectorAll(".series")].map((it) => [it.dataset.name, numbers(it.dataset.x), numbers(it.dataset.y)]);
    const words = [...chart.querySelectorAll("svg > text")].map((it) => it.textContent);
    const tools = chart.querySelectorAll(".tools").length;
    const widths = [...chart.querySelectorAll(".series polyline")].map((it) => it.getBoundingClientRect().width);
    return { curves, words, tools, widths };
})()"""


def check_speedups(checks, browser, path, names, most):
    """A chart of speedups over workers: the curves whose names begin so, up to so many workers, below their bound."""
    browser.open(path)
    found = browser.value(SPEEDUPS)
    curves = {name: dict(zip(xs, ys)) for name, xs, ys in found["curves"]}
    told = f"{path.stem}: {list(curves)}"
    for name in names:
        of_name = [curve for other, curve in curves.items() if other.startswith(name)]
        checks.expect(f"{told} has `{name}`", len(of_name) == 1 and of_name[0])
    checks.expect(f"{told}: the legend names every curve: {found['words']}", set(curves) <= set(found["words"]))
    checks.expect(f"the axis goes to {most} workers: {found['words']}", {"1", str(most)} <= set(found["words"]))
    checks.expect(f"{told}: curves are drawn: {found['widths']}", max(found["widths"]) > 400)
    # Nothing is trained: there is nothing to smooth.
    checks.expect(f"{told}: no switches", found["tools"] == 0)
    bound = next(curve for name, curve in curves.items() if name.startswith("at most: "))
    least = next(curve for name, curve in curves.items() if name.startswith("at least, "))
    simulated = next(curve for name, curve in curves.items() if name.startswith("simulated, "))
    for curve in (bound, least, simulated):
        checks.expect(f"{told}: {curve} goes on to {most}", max(curve) == most)
    ordered = all(least[workers] <= bound[workers] * 1.0001 <= workers * 1.0002 for workers in bound)
    checks.expect(f"{told}: the bounds bound: {least}, {bound}", ordered)
    browser.value("document.querySelector('.chart .frame').focus()")
    browser.press("ArrowLeft")
    told = browser.value("document.querySelector('.chart .values').textContent")
    checks.expect(f"the last place tells its values: {told}", told.startswith(f"workers {most}") and "at most: min(workers, T1 / T∞): " in told)


def check_speedup(checks, browser, path):
    names = ["measured, critical-path", "measured, fifo", "simulated, critical-path; beyond 2 not validated", "at most: ", "at least, "]
    check_speedups(checks, browser, path, names, 128)
    bars = browser.value("""(() => {
        const picture = [...document.querySelectorAll(".chart svg")].find((it) => it.ariaLabel === "share of workers x step");
        return [...picture.querySelectorAll("rect")].map((it) => it.textContent).join();
    })()""")
    for category in ["useful", "no work", "between"]:
        checks.expect(f"bars say what workers did: {bars}", f"{category}: " in bars)
    maps = browser.value("[...document.querySelectorAll('.map')].map((it) => it.querySelectorAll('svg rect').length)")
    checks.expect(f"a timeline and the graph are maps: {maps}", len(maps) == 2 and min(maps) > 10)
    tables = browser.value("[...document.querySelectorAll('h2')].map((it) => it.textContent)")
    for name in ["Milliseconds of a step", "Where the workers' time went", "One idea switched off at a time"]:
        checks.expect(f"the page has `{name}`: {tables}", name in tables)


def check_simulated(checks, browser, path):
    names = ["simulated, critical-path", "simulated, fifo", "measured, critical-path", "at most: ", "at least, "]
    check_speedups(checks, browser, path, names, 64)
    rows = browser.value("[...document.querySelectorAll('pre')].map((it) => it.textContent).join('\\n')")
    checks.expect(f"predictions are told apart from measurements: {rows}", "not validated" in rows and "(prediction " in rows)


def check_hostile(checks, browser, path):
    browser.open(path)
    checks.expect("names run no scripts", browser.value("typeof bad") == "undefined")
    scripts = browser.value("document.querySelectorAll('script').length")
    checks.expect(f"there is one script, not {scripts}", scripts == 1)
    shown = browser.value("document.body.textContent.includes('<script>bad=1</script>')")
    checks.expect("but they are shown", shown)
    x, y = browser.center(".chart .plot .series polyline")
    browser.move_to(x, y)
    checks.expect("nor under the pointer", browser.value("typeof bad") == "undefined")


def check_without_scripts(checks, browser, path):
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    browser.open(path)
    browser.call("Emulation.setScriptExecutionDisabled", value=False)
    box = browser.value("document.querySelector('.chart polyline').getBoundingClientRect().width")
    checks.expect("curves are there without scripts", box > 100)
    checks.expect("and no tools that do nothing", browser.value("document.querySelectorAll('.tools').length") == 0)


def make_pages(caudal, folder):
    """Trains, tests, compares, schedules, measures and simulates a little, and says which pages that gave."""
    def run(*arguments, output=os.devnull):
        with open(output, "w") as out:
            done = subprocess.run([caudal, *map(str, arguments)], stdout=out, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            sys.exit(f"{arguments}: {done.stderr}")

    names = ["training", "test", "compared", "schedules", "speedup", "simulated", "hostile"]
    pages = {name: folder / f"{name}.html" for name in names}
    saved, first, second = folder / "network.safetensors", folder / "first.json", folder / "second 'of' two.json"
    train = ["train", "--epochs", 6, "--max-batches", 6, "--validation", 0.1, "--json"]
    run(*train, "--seed", 0, "--save", saved, "--report", pages["training"], output=first)
    run(*train, "--seed", 1, "--learning-rate", 0.02, "--quiet", output=second)
    run("compare", first, second, "--report", pages["compared"])
    run("evaluate", saved, "--report", pages["test"])
    diamond = pathlib.Path(__file__).parent.parent / "tests/task_graphs/diamond.toml"
    run("schedule", diamond, "--policies", "heft,fifo", "--report", pages["schedules"])
    # Here it matters what they show, not what they measure.
    briefly = ["towers-small", "--policies", "critical-path,fifo", "--seconds", 0.2, "--allow-mixed"]
    run("speedup", *briefly, "--workers", "1,2", "--report", pages["speedup"])
    run("simulate", *briefly, "--workers", "1,2,64", "--report", pages["simulated"])
    name = json.dumps(HOSTILE)
    model = folder / "hostile.toml"
    model.write_text(f"""
name = {name}
[[node]]
name = "image"
kind = "input"
shape = [8, 8, 1]
[[node]]
name = "label"
kind = "target"
shape = []
[[node]]
name = "flat"
kind = "flatten"
inputs = ["image"]
[[node]]
name = {name}
kind = "dense"
inputs = ["flat"]
units = 10
[[node]]
name = "<i>&loss"
kind = "softmax_cross_entropy"
inputs = [{name}, "label"]
[[node]]
name = "\\"accuracy\\" 'of' <b>"
kind = "accuracy"
inputs = [{name}, "label"]
[train]
optimizer = {{ kind = "sgd", learning_rate = 0.05 }}
""")
    run("train", model, "--epochs", 2, "--quiet", "--report", pages["hostile"])
    return pages


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chromium")
    parser.add_argument("caudal")
    parser.add_argument("--screenshots", type=pathlib.Path, help="a folder for pictures of the pages")
    arguments = parser.parse_args()
    if arguments.screenshots:
        arguments.screenshots.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        pages = make_pages(arguments.caudal, folder)
        checks = Checks()
        browser = Browser(arguments.chromium, folder / "profile")
        try:
            for page in pages.values():
                check_every_page(checks, browser, page, arguments.screenshots)
            check_training(checks, browser, pages["training"])
            check_speedup(checks, browser, pages["speedup"])
            check_simulated(checks, browser, pages["simulated"])
            check_hostile(checks, browser, pages["hostile"])
            check_without_scripts(checks, browser, pages["training"])
        finally:
            browser.close()
    if checks.failed:
        sys.exit(f"{len(checks.failed)} of {checks.count} checks failed")
    print(f"{len(pages)} pages, {checks.count} checks: all hold")


if __name__ == "__main__":
    try:
        main()
    except NoAnswer as problem:
        print(problem)
        sys.exit(NO_ANSWER)
