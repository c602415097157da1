"""The program around the level: its console, its paths, its dialogs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .world import World


class SystemCalls:
    """SystemLibrary."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.opened: list[str] = []

    def is_valid(self, target: Any) -> bool:
        return target is not None

    def is_unattended(self) -> bool:
        return self._world.faults.is_unattended

    def get_engine_version(self) -> str:
        return f"{self._world.engine}-0+++UE5+Release"

    def get_path_name(self, target: Any) -> str:
        return str(target.get_path_name()) if target is not None else "None"

    def get_project_directory(self) -> str:
        return f"{self._world.folder}/"

    def get_project_saved_directory(self) -> str:
        return f"{self._world.folder}/Saved/"

    def get_project_content_directory(self) -> str:
        return f"{self._world.folder}/Content/"

    def launch_url(self, url: str) -> None:
        self.opened.append(url)

    def execute_console_command(self, context: Any, command: str, player: Any = None) -> None:
        name, _, value = command.partition(" ")
        if value:
            self._world.console[name] = value.strip()

    def get_console_variable_int_value(self, name: str) -> int:
        return int(float(self._world.console.get(name, "0")))

    def get_console_variable_float_value(self, name: str) -> float:
        return float(self._world.console.get(name, "0"))

    def get_console_variable_string_value(self, name: str) -> str:
        return self._world.console.get(name, "")


class PathCalls:
    """Paths: they are relative to the engine's program until they are made full."""

    def __init__(self, world: World) -> None:
        self._world = world

    def project_dir(self) -> str:
        return "../../../Demo/"

    def project_saved_dir(self) -> str:
        return "../../../Demo/Saved/"

    def project_content_dir(self) -> str:
        return "../../../Demo/Content/"

    def convert_relative_path_to_full(self, path: str, base_path: str = "") -> str:
        return path.replace("../../../Demo", str(self._world.folder))


class DialogCalls:
    """EditorDialog: what was asked is in ``shown``; ``answer`` is what the artist clicks."""

    def __init__(self, world: World) -> None:
        self._world = world
        world.dialogs = self  # type: ignore[attr-defined]
        self.shown: list[tuple[str, str]] = []
        self.edit: Any = lambda target: False

    def show_message(
        self, title: Any, message: Any, message_type: Any, default_value: Any = None, category: Any = None
    ) -> Any:
        if not self._world.faults.is_unattended:
            self.shown.append((str(title), str(message)))
        return default_value

    def show_object_details_view(self, title: Any, target: Any, options: Any = None) -> bool:
        if self._world.faults.is_unattended:
            return False
        self.shown.append((str(title), ""))
        return bool(self.edit(target))
