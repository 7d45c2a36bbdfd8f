import json
import shutil
import subprocess

import pytest
from xlbench_operator.scalars import scalar

# What kubectl 1.32 printed for each of these as JSON.
AS_KUBECTL_READS = {
    "no": False,
    "No": False,
    "n": False,
    "off": False,
    "y": True,
    "on": True,
    "Yes": True,
    "TRUE": True,
    "nO": "nO",
    "sw": "sw",
    "~": None,
    "null": None,
    "Null": None,
    "2e-5": 0.00002,
    "2.0e-5": 0.00002,
    "1e3": 1000,
    "1e+2": 100,
    "32.0": 32,
    "5.": 5,
    "1.5": 1.5,
    ".5": 0.5,
    ".5e1": 5,
    "+.5": 0.5,
    "1_0.5": 10.5,
    "1_000": 1000,
    "1__0": 10,
    "-0.0": 0,
    "+5": 5,
    "-0x10": -16,
    "0x1F": 31,
    "0o17": 15,
    "017": 15,
    "08": 8,
    "09.5": 9.5,
    "0b11": 3,
    "0": 0,
    "9223372036854775807": 2**63 - 1,
    "99999999999999999999": 10**20,
    "1e21": 1e21,
    "1e400": "1e400",
    "-1e400": "-1e400",
    "9" * 400: "9" * 400,
    "0x": "0x",
    "0b102": "0b102",
    ".e5": ".e5",
    "._5": "._5",
    "_1": "_1",
    "1:30": "1:30",
    "2001-01-01": "2001-01-01",
    "2001-12-14t21:59:43.10-05:00": "2001-12-14t21:59:43.10-05:00",
    "=": "=",
    "<<": "<<",
}


@pytest.mark.parametrize(
    ("text", "value"), AS_KUBECTL_READS.items(), ids=[text[:30] for text in AS_KUBECTL_READS]
)
def test_a_plain_scalar_is_what_kubectl_reads(text, value):
    read = scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_an_empty_scalar_is_null():
    assert scalar("") is None


@pytest.mark.parametrize("text", [".nan", ".NaN", ".inf", "-.Inf", "+.INF"])
def test_what_json_cannot_carry_is_refused(text):
    with pytest.raises(ValueError, match="NaN and infinity"):
        scalar(text)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="compares with an installed kubectl")
def test_the_table_is_what_the_installed_kubectl_prints(tmp_path):
    items = "".join(f"  - {text}\n" for text in AS_KUBECTL_READS)
    manifest = tmp_path / "scalars.yaml"
    manifest.write_text(f"apiVersion: a/v1\nkind: A\nmetadata: {{name: a}}\nspec:\n{items}")
    command = ["kubectl", "label", "--local", "-f", str(manifest), "-o", "json", "a=b"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["spec"] == list(AS_KUBECTL_READS.values())
