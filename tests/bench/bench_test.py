# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmarks that decide what is said, and the whole once with one file."""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import xml.dom.minidom

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import aims  # noqa: E402 (found through the line above)
import callgrind  # noqa: E402
import inputs  # noqa: E402
import measure  # noqa: E402
import peers  # noqa: E402
import svg  # noqa: E402
import tables  # noqa: E402

settings = argparse.Namespace(package=None)

MEDIANS = {
    "null": 0.030,
    "BuildKit, null": 0.300,
    "ninja alone, null": 0.010,
    "touch": 0.1,
    "stat walk": 0.05,
    "tar | zstd of the context": 0.5,
    "cold": 0.4,
}
MACHINE = {
    "processor": "P",
    "cores": 2,
    "memoryGiB": 8.0,
    "kernel": "6.1",
    "fileSystem": "tmpfs",
    "load": 0.1,
    "when": "now",
    "bottle": "bottle-pack 1",
    "versions": {"cmake": "3.25.1"},
}


def document():
    kinds = {
        name: "floor" if name == "stat walk" else name.rpartition(", ")[2].split()[0]
        for name in MEDIANS
    } | {"tar | zstd of the context": "cold"}
    group = {
        "files": 20_000,
        "bytes": 200_000_000,
        "packBytes": 111_000_000,
        "samples": {name: [value, value * 2, value / 2] for name, value in MEDIANS.items()},
        "medians": MEDIANS,
        "memoryMiB": {"null": 5.0, "cold": 60.0},
        "kinds": kinds,
        "ours": ["null", "touch", "cold"],
    }
    results = {"many": group}
    return {
        "machine": MACHINE,
        "quick": False,
        "results": results,
        "aims": aims.judge(results),
        "skipped": [{"name": "umoci", "reason": "needs umoci"}],
    }


class Aims(unittest.TestCase):
    def test_what_was_measured_is_judged_and_nothing_else(self):
        found = {aim["name"]: (aim["ratio"], aim["met"]) for aim in document()["aims"]}
        self.assertEqual(
            found,
            {
                "null build / docker build fully cached": (0.1, True),
                "null build / ninja alone with as many dependencies": (3.0, False),
                "touch / stat walk": (2.0, True),
                "peak memory, any of these": (60.0, True),
            },
        )

    def test_growth_is_an_exponent(self):
        results = {
            "growth": {
                "files": [2_000, 20_000, 200_000],
                "memoryMiB": {"null": 300.0},
                "medians": {
                    "null, 2000 files": 0.001,
                    "null, 20000 files": 0.1,
                    "null, 200000 files": 10.0,
                },
            }
        }
        found = {aim["name"]: aim for aim in aims.judge(results)}
        self.assertAlmostEqual(
            found["growth from 2,000 to 200,000 files: null, exponent"]["ratio"], 2.0
        )
        self.assertEqual([aim["met"] for aim in found.values()], [False, False])


class Shown(unittest.TestCase):
    def test_rows_have_ours_first_and_ratios_to_it(self):
        rows = {row[0]: row for row in tables.rows(document()["results"]["many"])}
        self.assertEqual(
            list(rows),
            [
                "null",
                "BuildKit, null",
                "ninja alone, null",
                "touch",
                "cold",
                "tar | zstd of the context",
                "stat walk",
            ],
        )
        self.assertIsNone(rows["null"][5])
        self.assertAlmostEqual(rows["BuildKit, null"][5], 10)
        self.assertEqual(rows["cold"][6], 60.0)

    def test_markdown_has_a_line_a_work_and_an_aim(self):
        text = tables.markdown(document())
        for line in (
            "| **null** | 30.0 | 15.0 | 60.0 | 38% |  | 5 |",
            "| tar \\| zstd of the context | 500 | 250 | 1,000 | 38% | 1.25 |  |",
            "| null build / ninja alone with as many dependencies | 3 | 2 | **not met** |",
            "Not measured: umoci: needs umoci.",
        ):
            self.assertIn(line, text.splitlines())

    def test_chart_is_the_same_each_time_and_leaves_out_what_was_not_measured(self):
        text = svg.chart(document())
        self.assertEqual(text, svg.chart(json.loads(json.dumps(document()))))
        xml.dom.minidom.parseString(text)
        self.assertIn("Nothing to do", text)
        self.assertIn('300 ms <tspan class="quiet">10x</tspan>', text)
        self.assertIn("tar | zstd -3 -T0 of the files", text)
        for absent in ("buildah", "Debian", "One file edited"):
            self.assertNotIn(absent, text)

    def test_report_replaces_what_is_between_the_marks(self):
        with tempfile.TemporaryDirectory() as directory:
            results, page = (
                pathlib.Path(directory) / "results.json",
                pathlib.Path(directory) / "page.md",
            )
            results.write_text(json.dumps(document()), encoding="utf-8")
            page.write_text(
                "before\n<!-- figures -->\nthe last figures\n<!-- end of figures -->\nafter\n",
                encoding="utf-8",
            )
            command = [sys.executable, HERE / "report", "--update", page, results]
            subprocess.run(command, check=True)
            text = page.read_text(encoding="utf-8")
            self.assertTrue(text.startswith("before\n<!-- figures -->\n2 cores of P"), text)
            self.assertTrue(text.endswith("\n<!-- end of figures -->\nafter\n"), text)
            self.assertNotIn("the last figures", text)
            subprocess.run(command, check=True)
            self.assertEqual(page.read_text(encoding="utf-8"), text)
            page.write_text("no marks\n", encoding="utf-8")
            self.assertNotEqual(
                subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode, 0
            )


class Measured(unittest.TestCase):
    def test_works_are_interleaved(self):
        seen = []
        works = [
            measure.Work(name, lambda name=name: seen.append(name), slow=name == "b")
            for name in ("a", "b")
        ]
        samples = measure.measure(works, rounds=3, slow_rounds=1)
        self.assertEqual(seen, ["a", "b", "a", "a"])
        self.assertEqual({name: len(values) for name, values in samples.items()}, {"a": 3, "b": 1})

    def test_memory_is_of_the_program_and_not_of_this_one(self):
        ballast = bytearray(b"x") * (300 << 20)
        work = measure.Work(
            "allocates",
            lambda: measure.call([sys.executable, "-c", "x = b'x' * (64 << 20)"]),
            ours=True,
        )
        found = measure.measure_memory([work])
        if not measure.memory.program:
            self.skipTest("needs GNU time")
        self.assertGreater(found["allocates"], 64)
        self.assertLess(found["allocates"], 150)
        self.assertEqual(len(ballast), 300 << 20)

    def test_a_part_of_a_pipeline_that_fails_is_a_failure(self):
        with self.assertRaisesRegex(measure.Failure, "ended with 3"):
            measure.shell("sh -c 'exit 3' | cat")

    def test_what_is_absent_is_named(self):
        skipped = peers.Skipped()
        self.assertIsNone(
            skipped.attempt("a peer", lambda: peers.system_fixture.need("no-such-program"))
        )
        self.assertEqual(
            skipped, [{"name": "a peer", "reason": "needs no-such-program, which is not installed"}]
        )

    def test_inputs_are_the_same_each_time_and_an_edit_changes_one_byte(self):
        with tempfile.TemporaryDirectory() as directory:
            one, two = (inputs.Context(f"{directory}/{name}", 250, 250_000) for name in "ab")
            before = [file.read_bytes() for file in one.files]
            self.assertEqual(before, [file.read_bytes() for file in two.files])
            self.assertEqual([len(data) for data in before], [1_000] * 250)
            one.edit()
            changes = [
                (old, file.read_bytes())
                for old, file in zip(before, one.files, strict=True)
                if old != file.read_bytes()
            ]
            self.assertEqual(len(changes), 1)
            self.assertEqual(sum(a != b for a, b in zip(*changes[0], strict=True)), 1)


class Callgrind(unittest.TestCase):
    TEXT = """# callgrind format
events: Ir
ob=(1) /usr/bin/program
fl=(1) a.c
fn=(1) main
16 400
+2 20
cfi=(2) b.c
cfn=(2) work
calls=3 50
18 3000
* 1
fi=(2)
20 5
ob=(2) /usr/lib/libcrypto.so.3
fn=(3) 0x0000000000012340
0 70
fn=(4) 0x0000000000012380
0 7
ob=(1)
fn=(2)
51 2000
+1 1000
fn=(1)
-7 4
totals: 3507
"""

    def test_costs_are_each_functions_own(self):
        self.assertEqual(
            callgrind.functions(self.TEXT.splitlines(keepends=True)),
            {"main": 430, "work": 3000, "libcrypto.so.3, functions without names": 77},
        )

    def test_a_file_that_was_not_understood_is_an_error(self):
        with self.assertRaisesRegex(RuntimeError, "3508"):
            callgrind.functions(
                self.TEXT.replace("totals: 3507", "totals: 3508").splitlines(keepends=True)
            )


class Whole(unittest.TestCase):
    def test_one_file(self):
        if not settings.package:
            self.skipTest("needs --package")
        with tempfile.TemporaryDirectory() as directory:
            results = pathlib.Path(directory) / "results.json"
            run = subprocess.run(
                [
                    sys.executable,
                    HERE / "run",
                    "--package",
                    settings.package,
                    "--directory",
                    directory,
                    "--rounds",
                    "1",
                    "--json",
                    results,
                    "--only",
                    "one/null",
                    "one/touch",
                    "one/edit",
                    "one/cold",
                    "one/clean checkout, warm store",
                    "one/stat walk",
                ],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
            )
            self.assertEqual(run.returncode, 0, run.stdout)
            found = json.loads(results.read_text(encoding="utf-8"))
            works = {"null", "touch", "edit", "cold", "clean checkout, warm store"}
            self.assertEqual(set(found["results"]["one"]["samples"]), works | {"stat walk"})
            self.assertEqual(set(found["results"]["one"]["memoryMiB"]), works)
            self.assertEqual(
                found["aims"],
                [
                    {
                        "name": "peak memory, any of these",
                        "ratio": found["aims"][0]["ratio"],
                        "aim": 200,
                        "met": True,
                        "unit": "MiB",
                    }
                ],
            )
            self.assertEqual(
                [path.name for path in pathlib.Path(directory).iterdir()], ["results.json"]
            )

    def test_what_it_does_not_know(self):
        run = subprocess.run(
            [
                sys.executable,
                HERE / "run",
                "--package",
                settings.package or ".",
                "--only",
                "mony/null",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.assertEqual(run.returncode, 1)
        self.assertIn("tests/bench/run: ", run.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--package", type=pathlib.Path)
    _, rest = parser.parse_known_args(namespace=settings)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
