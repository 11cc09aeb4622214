"""What tests do on a machine that lacks a program, or a network."""

from pathlib import Path

import pytest

from dev import containers, system
from tests.system import Hide, require

LISTED = [
    pytest.param(use, package, programs, id=package)
    for use in ("image", "gateway", "pooler", "alerts")
    for package, programs in system.needs(use).items()
]


@pytest.mark.parametrize(("use", "package", "programs"), LISTED)
def test_without_a_program_the_skip_names_its_package(
    hide: Hide,
    monkeypatch: pytest.MonkeyPatch,
    use: str,
    package: str,
    programs: list[str],
) -> None:
    machine = hide(*programs)
    told = f"install .*{package}"
    with pytest.raises(pytest.skip.Exception, match=f"OF THE {use.upper()}: {told}"):
        require(use)
    monkeypatch.setenv(f"REQUIRE_{use.upper()}", "1")
    with pytest.raises(pytest.fail.Exception, match=f"{use} are required here: {told}"):
        require(use)
    for program in programs:
        (machine / program).symlink_to("/bin/true")
        assert package not in system.missing(use)
        (machine / program).unlink()


def test_a_program_is_found_where_only_the_administrator_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nginx").symlink_to("/bin/true")
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(system, "ADMIN", [str(tmp_path)])
    assert system.find("nginx") == f"{tmp_path}/nginx"


def test_a_mixture_of_control_groups_wants_runc(
    hide: Hide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = tmp_path / "controllers"
    mixed.write_text("cpu\n")
    monkeypatch.setattr(containers, "CGROUP_2", mixed)
    machine = hide("crun", "runc")
    (machine / "crun").symlink_to("/bin/true")
    assert containers.runtimes() == {}
    assert "runc" in containers.missing()
    mixed.write_text("\n")
    assert list(containers.runtimes()) == ["crun"]
    assert "runc" not in containers.missing()
