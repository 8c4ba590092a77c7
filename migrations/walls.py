"""The walls between tenants: roles that own nothing, and row-level security on every tenant's table.

Three roles exist. The login (who migrates) owns the tables; forced row-level security binds it too. Every
transaction steps down from it (service/kit/database.py) to `tuneworks_app`, which sees one project or one
organization, or to `tuneworks_dispatch`, which sees of all projects what is to be done and when, and no content.
Neither may TRUNCATE, which row-level security would not stop.
"""

from typing import Protocol

from service.kit.database import APP_ROLE, DISPATCH_ROLE


class Executes(Protocol):
    """The one method of Alembic's `op` that walls are built with."""

    def execute(self, sqltext: str) -> None: ...


IN_PROJECT = "project_id = nullif(current_setting('app.project_id', true), '')"
IN_ORGANIZATION = "organization_id = nullif(current_setting('app.organization_id', true), '')"


def make_roles(op: Executes) -> None:
    """Make the two roles if the cluster lacks them, and let the login step down to them."""
    for role in (APP_ROLE, DISPATCH_ROLE):
        op.execute(f"""
            do $$ begin
                if not exists (select from pg_roles where rolname = '{role}') then
                    create role {role} nologin;
                end if;
            exception when duplicate_object or unique_violation then null;  -- another database's migration made it
            end $$""")
        op.execute(f"""
            do $$ begin
                grant {role} to current_user;
            exception when insufficient_privilege then null;  -- whoever made the role must have granted it
            end $$""")
        op.execute(f"grant usage on schema public to {role}")


def build_wall(op: Executes, table: str, *, rows: str = IN_PROJECT,
               rights: str = "select, insert, update, delete") -> None:
    """Give `tuneworks_app` its `rights` on the rows that satisfy `rows`, for reading and for writing."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy tenant on {table} to {APP_ROLE} using ({rows}) with check ({rows})")
    op.execute(f"grant {rights} on {table} to {APP_ROLE}")


def open_to_the_house(op: Executes, table: str, *, rights: str) -> None:
    """Give `tuneworks_app` its `rights` on all rows of a table that tells nothing of any tenant."""
    op.execute(f"alter table {table} enable row level security")
    op.execute(f"alter table {table} force row level security")
    op.execute(f"create policy house on {table} to {APP_ROLE} using (true) with check (true)")
    op.execute(f"grant {rights} on {table} to {APP_ROLE}")
