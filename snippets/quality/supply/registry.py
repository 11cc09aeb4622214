"""Write wheels that stand for a registry, and let uv ask no other."""

# region imports
import zipfile
from pathlib import Path

# endregion

# region what packages say of themselves
KIND = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
TWICE = "License: Apache-2.0\nClassifier: License :: OSI Approved"
TWICE += " :: Apache Software License\n"  # older metadata tells it twice
PACKAGES = {
    "requests-2.34.2": TWICE + "Requires-Dist: urllib3\n",
    "urllib3-2.7.0": "License-Expression: MIT\n",
    "urllib3-2.8.0": "License-Expression: MIT\n",
    "requetss-1.0": "License-Expression: MIT\n",
    "receipts-1.0": "License-Expression: AGPL-3.0-only\n",
}
# endregion


def write(folder: Path) -> None:
    """Write the wheels, and the settings of uv."""
    settings = 'no-index = true\nfind-links = ["wheels"]\n'
    (folder / "uv.toml").write_text(settings)
    (folder / "wheels").mkdir(exist_ok=True)
    for package, told in PACKAGES.items():
        name, _, version = package.partition("-")
        about = f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        files = {"METADATA": about + told, "WHEEL": KIND, "RECORD": ""}
        file = folder / f"wheels/{package}-py3-none-any.whl"
        with zipfile.ZipFile(file, "w") as wheel:
            wheel.writestr(f"{name}.py", "")
            for each, text in files.items():
                wheel.writestr(f"{package}.dist-info/{each}", text)


# region main
if __name__ == "__main__":
    write(Path())
# endregion
