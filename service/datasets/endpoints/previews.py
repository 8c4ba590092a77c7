"""Previews: examples with the tokens that training would learn from."""

from fastapi import APIRouter

router = APIRouter(tags=["Datasets"])
