# SPDX-License-Identifier: Apache-2.0
"""The results of a run as a picture: bars of medians, a scale a panel. The same results give the
same bytes."""
import html

import tables

# (title, group, [(work, or several whose times are added; label)]); ours comes first.
PANELS = (
    (
        "Nothing to do",
        "many",
        (
            ("null", "Bottle"),
            ("ninja alone, null", "Ninja alone, as many dependencies"),
            ("BuildKit, null", "docker build"),
            ("docker without BuildKit, null", "docker build without BuildKit"),
            ("buildah, null", "buildah"),
        ),
    ),
    ("One file touched", "many", (("touch", "Bottle"), ("stat walk", "find -printf"))),
    (
        "One file edited",
        "many",
        (
            ("edit", "Bottle, to the finished pack"),
            ("stat walk + cp of the pack", "find -printf and cp of the pack"),
            ("BuildKit, edit", "docker build, no pack"),
            ("docker without BuildKit, edit", "the same without BuildKit"),
            ("buildah, edit", "buildah, no pack"),
        ),
    ),
    (
        "Nothing in any cache",
        "many",
        (
            ("cold", "Bottle, to the finished pack"),
            ("tar | zstd of the context", "tar | zstd -3 -T0 of the files"),
            ("BuildKit, cold", "docker build, no pack"),
            ("docker without BuildKit, cold", "the same without BuildKit"),
            ("buildah, cold", "buildah, no pack"),
        ),
    ),
    (
        "Another checkout, warm store",
        "many",
        (
            ("clean checkout, warm store", "Bottle, to the finished pack"),
            ("cp of the pack", "cp of the pack"),
        ),
    ),
    (
        "A file of the top layer edited",
        "debian",
        (
            ("edit, to the finished pack", "Bottle, to the finished pack"),
            ("cp of the pack", "cp of the pack"),
            ("buildah, mount, tar | zstd", "buildah, mount, tar | zstd"),
            ("docker, push, pull, merge, compress", "docker, registry, skopeo, umoci, tar | zstd"),
        ),
    ),
    (
        "The image packed, nothing of it in the store",
        "debian",
        (
            ("cold pack of the image", "Bottle"),
            ("tar | zstd of the tree", "tar | zstd -3 -T0 of its tree"),
        ),
    ),
)

WIDTH, LEFT, RIGHT = 880, 300, 140
ROW, BAR = 24, 15
STYLE = """
  .paper { fill: #ffffff } text { fill: #24292f; font: 13px system-ui, sans-serif } .title { font-weight: 600; font-size: 14px }
  .group { font-weight: 600; font-size: 16px } .quiet { fill: #57606a } .ours { fill: #1a7f64 } .theirs { fill: #9aa4b0 }
  @media (prefers-color-scheme: dark) {
    .paper { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9da7b3 } .ours { fill: #3fb68b } .theirs { fill: #59636e }
  }
"""


def chart(document):
    """Panels of which less than two bars were measured are left out."""
    lines, y, group_shown = [], 10, None
    for title, group, bars in PANELS:
        result = document["results"].get(group)
        found = [
            (label, value)
            for work, label in bars
            if result and (value := total(result["medians"], work)) is not None
        ]
        if len(found) < 2:
            continue
        if group != group_shown:
            group_shown = group
            y += 20
            lines.append(label_at(16, y, tables.title(group, result), "group"))
            y += 14
        y += 18
        lines.append(label_at(16, y, title, "title"))
        y += 8
        longest = max(value for _, value in found)
        ours = found[0][1]
        for number, (label, value) in enumerate(found):
            width = max(1.0, (WIDTH - LEFT - RIGHT) * value / longest)
            middle = y + ROW / 2
            lines.append(
                f'<text x="{LEFT - 8}" y="{middle + 4.5:g}"'
                f' text-anchor="end">{html.escape(label)}</text>'
            )
            lines.append(
                f'<rect class="{"ours" if number == 0 else "theirs"}" x="{LEFT}"'
                f' y="{middle - BAR / 2:g}" width="{width:.1f}" height="{BAR}" rx="2"/>'
            )
            factor = (
                "" if number == 0 else f' <tspan class="quiet">{factor_of(value / ours)}</tspan>'
            )
            lines.append(
                f'<text x="{LEFT + width + 6:.1f}"'
                f' y="{middle + 4.5:g}">{tables.milliseconds(value)} ms{factor}</text>'
            )
            y += ROW
        y += 10
    machine = document["machine"]
    y += 12
    lines.append(
        label_at(
            16,
            y,
            (
                f"Medians. {machine['cores']} cores of {machine['processor']}, on"
                f" {machine['fileSystem']}. Small factors: the work's time over ours."
            ),
            "quiet",
        )
    )
    height = y + 16
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}"'
        f' height="{height}" role="img" aria-label="Times of builds beside other'
        f' tools">\n<style>{STYLE}</style>\n<rect class="paper" width="{WIDTH}" height="{height}"'
        ' rx="6"/>\n' + "\n".join(lines) + "\n</svg>\n"
    )


def total(medians, work):
    """Of one work, or of several joined by " + "; None if one was not measured."""
    names = [work] if work in medians else work.split(" + ")
    return sum(medians[name] for name in names) if all(name in medians for name in names) else None


def label_at(x, y, text, style):
    return f'<text class="{style}" x="{x}" y="{y}">{html.escape(text)}</text>'


def factor_of(value):
    return f"{value:.2f}x" if value < 10 else f"{value:,.0f}x"
