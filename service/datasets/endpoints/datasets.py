"""Data sets: named, with immutable versions."""

from fastapi import APIRouter

router = APIRouter(tags=["Datasets"])
