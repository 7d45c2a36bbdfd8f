"""The command line of the operator's image, `xlbench-operator`. Users have `xlbench` (`cli`)."""

import typer
import yaml
from xlbench_specs.crd import KubeObject, custom_resource_definition

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)

HEADER = "# Made from specs/xlbench_specs by `make generate`; do not edit.\n"


@app.callback()
def main() -> None:
    """Runs experiments on a Kubernetes cluster."""


@app.command()
def crd() -> None:
    """Print the CustomResourceDefinition of ExperimentSpec, for `kubectl apply`."""
    typer.echo(HEADER + yaml_text(custom_resource_definition()), nl=False)


def yaml_text(manifest: KubeObject) -> str:
    """An object as YAML that every reader takes alike: no aliases, lines of 100 columns."""
    text: str = yaml.dump(manifest, Dumper=_Plain, sort_keys=False, width=100, allow_unicode=True)
    return text


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's name
        return True
