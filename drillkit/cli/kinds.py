"""`kinds`: the reference of the step kinds."""

from __future__ import annotations

import click


@click.command()
@click.argument("name", required=False)
@click.option("--markdown", is_flag=True, help="As Markdown, all of them.")
def kinds(name: str | None, markdown: bool) -> None:
    """Reference of the step kinds: what each does, what it takes, whom it disturbs; and of the
    notifiers.
    """
    from drillkit.notify import notifier_names
    from drillkit.spec.reference import (
        as_markdown,
        as_text,
        broken_plugins,
        kind_reference,
        kind_references,
        notifier_reference,
        notifier_references,
    )

    if name is not None:
        one = notifier_reference if name in notifier_names() else kind_reference
        click.echo(as_text(one(name)))
    elif markdown:
        click.echo(as_markdown([*kind_references(), *notifier_references()]), nl=False)
    else:
        kinds, notifiers = kind_references(), notifier_references()
        width = max(len(kind.name) for kind in (*kinds, *notifiers))
        for kind in kinds:
            click.echo(f"{kind.name:{width}}  {kind.summary}")
        click.echo("\nNotifiers, for `notify`:")
        for kind in notifiers:
            click.echo(f"{kind.name:{width}}  {kind.summary}")
        if broken := broken_plugins():
            click.echo("\nOf other packages, and cannot be used:")
            for why in broken:
                click.echo(f"- {why}")
