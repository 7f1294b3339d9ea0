"""The states and rhythms of standing arrangements: subscriptions, automatic top-up, thresholds."""

from enum import StrEnum


class SubscriptionStatus(StrEnum):
    ACTIVE = "active"
    PAUSED = "paused"
    PAYMENT_FAILED = "payment_failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class SubscriptionFrequency(StrEnum):
    MONTHLY = "monthly"
    QUARTERLY = "quarterly"
    ANNUAL = "annual"


class TriggerType(StrEnum):
    THRESHOLD = "threshold"
    SCHEDULED = "scheduled"
    BOTH = "both"


class ScheduleFrequency(StrEnum):
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


class ThresholdType(StrEnum):
    PERCENTAGE = "percentage"
    ABSOLUTE = "absolute"
