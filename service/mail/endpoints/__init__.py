"""HTTP face of mail: subscriptions for owners, and pages without a key for whoever gets the mails."""

from fastapi import APIRouter

from service.mail.endpoints import doors, subscriptions

router = APIRouter()
router.include_router(subscriptions.router)
router.include_router(doors.router)
