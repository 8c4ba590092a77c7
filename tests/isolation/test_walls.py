"""The database itself refuses: every table has its wall, and no role of ours can climb it."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, delete, func, insert, select, text, update
from sqlalchemy.exc import ProgrammingError

from migrations.metadata import metadata
from service.kit.database import APP_ROLE, DISPATCH, DISPATCH_ROLE, NOBODY, sqlalchemy_url, transaction
from service.settings import settings
from tests.fixtures.api import Tenant
from tests.isolation.rows import OF_THE_HOUSE, fill, project_tables, row

DOORS = {"authenticate_key", "first_organization", "credential_signing", "mail_subscription_project",
         "mail_confirmations_lately"}
"""Functions that run with the login's rights. Each is a hole in the wall: keep it narrow, and add it here."""


@pytest.fixture
def login(house: None) -> Iterator[Connection]:
    """A connection as the role that owns the tables, to read the catalog with."""
    engine = create_engine(sqlalchemy_url(settings().database_url.get_secret_value()))
    with engine.connect() as connection:
        yield connection
    engine.dispose()


@pytest.fixture
def rows(tenant: Tenant, stranger: Tenant) -> dict[str, dict[str, Any]]:
    """The stranger's rows, one for each table; the tenant has as many of its own."""
    with transaction(tenant.scope) as session:
        fill(session, tenant)
    with transaction(stranger.scope) as session:
        return fill(session, stranger)


class TestCatalog:
    def test_every_table_is_known_and_walled(self, login: Connection) -> None:
        found = {each.relname: each for each in login.execute(text(
            "select relname, relrowsecurity, relforcerowsecurity from pg_class"
            " where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace"))}
        assert set(found) == {*metadata.tables, "alembic_version"}
        for name in metadata.tables:
            assert (found[name].relrowsecurity, found[name].relforcerowsecurity) == (True, True), name

    def test_what_belongs_to_the_house_names_no_tenant_and_is_not_deleted(self, login: Connection) -> None:
        for name in OF_THE_HOUSE:
            assert not {column for column in metadata.tables[name].columns.keys()  # noqa: SIM118 - a collection of columns
                        if column in {"organization_id", "project_id", "job_id", "file_id"}}, name
            assert not login.execute(text("select has_table_privilege(:role, :name, 'delete')"),
                                     {"role": APP_ROLE, "name": name}).scalar_one(), name

    @pytest.mark.parametrize("name", sorted(set(metadata.tables) - OF_THE_HOUSE))
    def test_the_wall_stands_for_reading_and_for_writing(self, login: Connection, name: str) -> None:
        policies = login.execute(text(
            "select policyname, cmd, permissive, qual, with_check from pg_policies"
            " where tablename = :name and (:role = any(roles) or 'public' = any(roles))"),
            {"name": name, "role": APP_ROLE}).all()
        [policy] = policies
        assert (policy.policyname, policy.cmd, policy.permissive) == ("tenant", "ALL", "PERMISSIVE")
        assert policy.qual == policy.with_check
        assert "app.project_id" in policy.qual or "app.organization_id" in policy.qual

    @pytest.mark.parametrize("role", [APP_ROLE, DISPATCH_ROLE])
    def test_our_roles_own_nothing_and_bypass_nothing(self, login: Connection, role: str) -> None:
        rights = login.execute(text("select rolsuper, rolbypassrls, rolcanlogin, rolcreaterole, rolcreatedb,"
                                    " (select count(*) from pg_class where relowner = r.oid) as owned,"
                                    " (select count(*) from pg_auth_members where member = r.oid) as memberships"
                                    " from pg_roles r where rolname = :role"), {"role": role}).one()
        assert rights[:5] == (False, False, False, False, False)
        assert (rights.owned, rights.memberships) == (0, 0)

    @pytest.mark.parametrize("role", [APP_ROLE, DISPATCH_ROLE])
    def test_what_row_security_does_not_stop_is_not_granted(self, login: Connection, role: str) -> None:
        for name in [*metadata.tables, "alembic_version"]:
            for right in ("truncate", "references", "trigger"):
                granted = login.execute(text("select has_table_privilege(:role, :name, :right)"),
                                        {"role": role, "name": name, "right": right}).scalar_one()
                assert not granted, (role, right, name)
        assert not login.execute(text("select has_schema_privilege(:role, 'public', 'create')"),
                                 {"role": role}).scalar_one()

    def test_the_doors_in_the_wall_are_the_known_ones(self, login: Connection) -> None:
        doors = login.execute(text("select proname, proconfig from pg_proc where prosecdef"
                                   " and pronamespace = 'public'::regnamespace")).all()
        assert {door.proname for door in doors} == DOORS
        assert all(any("search_path" in each for each in door.proconfig) for door in doors)
        assert login.execute(text("select count(*) from pg_views where schemaname = 'public'")).scalar_one() == 0

    def test_facts_cannot_be_rewritten(self, login: Connection) -> None:
        for name in ("events", "audit_entries"):
            for right in ("update", "delete"):
                assert not login.execute(text("select has_table_privilege(:role, :name, :right)"),
                                         {"role": APP_ROLE, "name": name, "right": right}).scalar_one(), name


class TestProjects:
    """What one project's transaction can do to the rows of another."""

    def test_it_sees_its_own_row_and_not_the_others(self, tenant: Tenant, rows: dict[str, dict[str, Any]]) -> None:
        with transaction(tenant.scope) as session:
            for table in project_tables():
                seen = set(session.scalars(select(table.c.project_id)))
                assert seen == {tenant.project_id}, table.name
                theirs = select(func.count()).where(table.c.id == rows[table.name]["id"])
                assert session.scalar(theirs) == 0, table.name

    def test_it_cannot_change_or_delete_them(self, tenant: Tenant, stranger: Tenant,
                                             rows: dict[str, dict[str, Any]]) -> None:
        for table in project_tables():
            theirs = table.c.id == rows[table.name]["id"]
            for statement in (update(table).where(theirs).values(id="stolen"), delete(table).where(theirs)):
                with suppress(ProgrammingError), transaction(tenant.scope) as session:  # no such right at all
                    assert session.connection().execute(statement).rowcount == 0, table.name
        with transaction(stranger.scope) as session:
            for table in project_tables():
                kept = select(func.count()).where(table.c.id == rows[table.name]["id"])
                assert session.scalar(kept) == 1, table.name

    def test_it_cannot_write_rows_into_another_project(self, tenant: Tenant, stranger: Tenant,
                                                       rows: dict[str, dict[str, Any]]) -> None:
        for table in project_tables():
            foreign = row(table, rows, stranger)
            with pytest.raises(ProgrammingError, match="row-level security"), transaction(tenant.scope) as session:
                session.execute(insert(table).values(foreign))

    @pytest.mark.usefixtures("rows")
    def test_it_cannot_give_its_rows_away(self, tenant: Tenant, stranger: Tenant) -> None:
        for table in project_tables():
            moved = update(table).values(project_id=stranger.project_id)
            with (pytest.raises(ProgrammingError, match=r"row-level security|permission denied"),
                  transaction(tenant.scope) as session):
                session.execute(moved)

    @pytest.mark.usefixtures("rows")
    def test_nobody_sees_anything(self) -> None:
        with transaction(NOBODY) as session:
            for table in metadata.sorted_tables:
                assert session.scalar(select(func.count()).select_from(table)) == 0, table.name


class TestDispatch:
    @pytest.mark.usefixtures("rows")
    def test_it_sees_what_is_to_be_done_for_all_projects_and_nothing_else(self, tenant: Tenant,
                                                                               stranger: Tenant) -> None:
        for table in metadata.sorted_tables:
            if table.name in {"work_items", "remote_jobs", "events", "webhook_endpoints", "webhook_deliveries",
                              "webhook_attempts", "mail_subscriptions", "mail_notices", "mails"}:
                with transaction(DISPATCH) as session:
                    seen = set(session.scalars(select(table.c.project_id)))
                assert seen == {tenant.project_id, stranger.project_id}
            else:
                with pytest.raises(ProgrammingError, match="permission denied"), transaction(DISPATCH) as session:
                    session.execute(select(table.c.id))

    @pytest.mark.usefixtures("rows")
    def test_it_sees_neither_what_events_say_nor_where_they_are_told(self) -> None:
        for column, table in (("data", "events"), ("url", "webhook_endpoints"), ("secret", "webhook_endpoints"),
                              ("old_secret", "webhook_endpoints"), ("older_secrets", "webhook_endpoints"),
                              ("name", "webhook_endpoints"),
                              ("address", "mail_subscriptions"), ("secret", "mail_subscriptions"),
                              ("name", "mail_subscriptions"), ("address", "mails"), ("error", "mails")):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction(DISPATCH) as session:
                session.execute(text(f"select {column} from {table}"))

    @pytest.mark.usefixtures("rows")
    def test_it_moves_the_polling_of_remote_jobs_and_nothing_else_of_them(self, tenant: Tenant,
                                                                          stranger: Tenant) -> None:
        with transaction(DISPATCH) as session:
            moved = session.execute(text("update remote_jobs set next_poll_at = now() returning project_id")).scalars()
            assert set(moved) == {tenant.project_id, stranger.project_id}
        for column in ("state", "remote_id", "credential_id", "key", "project_id"):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction(DISPATCH) as session:
                session.execute(text(f"update remote_jobs set {column} = 'other'"))

    def test_it_neither_makes_nor_removes_work(self, stranger: Tenant, rows: dict[str, dict[str, Any]]) -> None:
        work = metadata.tables["work_items"]
        for statement in (insert(work).values(row(work, rows, stranger)), delete(work)):
            with pytest.raises(ProgrammingError, match="permission denied"), transaction(DISPATCH) as session:
                session.execute(statement)
