"""Versions of a data set: made, compared, downloaded, deleted."""

from fastapi import APIRouter

router = APIRouter(tags=["Datasets"])
