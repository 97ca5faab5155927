"""`kinds`: the reference of the step kinds."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="As Markdown, all of them.")
def kinds(name: str | None, markdown: bool) -> None:
    """Reference of the step kinds: what each does, what it takes, whom it disturbs."""
    from drillkit.spec.reference import as_markdown, as_text, kind_reference, kind_references

    if name is not None:
        click.echo(as_text(kind_reference(name)))
    elif markdown:
        click.echo(as_markdown(kind_references()), nl=False)
    else:
        found = kind_references()
        width = max(len(kind.name) for kind in found)
        for kind in found:
            click.echo(f"{kind.name:{width}}  {kind.summary}")
