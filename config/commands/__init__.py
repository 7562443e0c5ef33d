"""The commands that need the web parts or this machine's servers. `attune.cli` finds them through an entry point."""

from attune.cli import Lazy

COMMANDS = {
    "demo": Lazy("config.commands.demo:demo", "Start Attune with a starter project to try, and print the logins."),
    "doctor": Lazy("config.commands.doctor:doctor", "Say what stops Attune from running here, and the mend."),
    "erase": Lazy("config.commands.erase:erase", "Delete an annotator and all that is theirs; again after a restore."),
    "export": Lazy("config.commands.data:export_command", "Write a project's judgments to a file."),
    "import": Lazy("config.commands.data:import_command", "Read judgments, or prompts with responses, into a project."),
    "machine": Lazy(
        "config.commands.machines:machine_command", "Programs that judge beside people, and how far they differ."
    ),
    "promote": Lazy("config.commands.training:promote", "Make a model version the one that serves."),
    "round": Lazy(
        "config.commands.rounds:round_command", "A policy writes, people judge it, the next policy learns from that."
    ),
    "snapshot": Lazy(
        "config.commands.snapshots:snapshot", "Freeze judgments, also of a past moment; compare what is frozen."
    ),
    "train": Lazy("config.commands.training:train", "Fit a project's model on its judgments."),
    "train-policy": Lazy("config.commands.policies:train_policy", "Train a policy on a project's judgments."),
    "up": Lazy("config.commands.up:up", "Start Attune on this machine; Ctrl-C stops it."),
}
