"""What a failed statement tells: its text, and none of the values in it."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from service.kit.database import NOBODY, transaction


@pytest.mark.usefixtures("house")
def test_an_error_of_the_database_names_no_values() -> None:
    with pytest.raises(DBAPIError) as failed, transaction(NOBODY) as session:
        session.execute(text("select 1 / (length(:secret) - length(:secret))"), {"secret": "whsec_very_secret"})
    assert "length" in str(failed.value)
    assert "whsec_very_secret" not in str(failed.value)
