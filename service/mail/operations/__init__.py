"""What is done with subscriptions and mails: by owners, by those who get them, by the sender's planning, by workers."""

from service.mail.operations.gathering import gather
from service.mail.operations.links import Known, confirm, recognise, unsubscribe
from service.mail.operations.planning import plan, plan_again
from service.mail.operations.posting import abandon, begin, forget, record
from service.mail.operations.subscribing import confirm_again, create, delete, test, update

__all__ = ["Known", "abandon", "begin", "confirm", "confirm_again", "create", "delete", "forget", "gather", "plan",
           "plan_again", "recognise", "record", "test", "unsubscribe", "update"]
