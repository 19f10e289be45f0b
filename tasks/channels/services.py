"""The services that a channel may name: an explicit list, by the scheme of the address. What is not here is refused.

Each entry names Apprise's module and class. FIXED services call hosts of their own; of HOSTED ones, and of mail, the
address names the host, which must pass the rule of ``tasks.fetch.addresses``.
"""

MAIL = {"mailto": "email.base NotifyEmail", "mailtos": "email.base NotifyEmail"}
FIXED = {
    "betterstack": "betterstack NotifyBetterStack",
    "brevo": "brevo NotifyBrevo",
    "clicksend": "clicksend NotifyClickSend",
    "dingtalk": "dingtalk NotifyDingTalk",
    "discord": "discord NotifyDiscord",
    "feishu": "feishu NotifyFeishu",
    "gchat": "google_chat NotifyGoogleChat",
    "groupme": "groupme NotifyGroupMe",
    "guilded": "guilded NotifyGuilded",
    "ifttt": "ifttt NotifyIFTTT",
    "ilert": "ilert NotifyILert",
    "incidentio": "incidentio NotifyIncidentIO",
    "lark": "lark NotifyLark",
    "line": "line NotifyLine",
    "mailersend": "mailersend NotifyMailerSend",
    "mailgun": "mailgun NotifyMailgun",
    "msgbird": "messagebird NotifyMessageBird",
    "notifiarr": "notifiarr NotifyNotifiarr",
    "opsgenie": "opsgenie NotifyOpsgenie",
    "pagerduty": "pagerduty NotifyPagerDuty",
    "pagertree": "pagertree NotifyPagerTree",
    "pbul": "pushbullet NotifyPushBullet",
    "postmark": "postmark NotifyPostmark",
    "pover": "pushover NotifyPushover",
    "prowl": "prowl NotifyProwl",
    "pushy": "pushy NotifyPushy",
    "resend": "resend NotifyResend",
    "sendgrid": "sendgrid NotifySendGrid",
    "signl4": "signl4 NotifySIGNL4",
    "slack": "slack NotifySlack",
    "smtp2go": "smtp2go NotifySMTP2Go",
    "sns": "sns NotifySNS",
    "sparkpost": "sparkpost NotifySparkPost",
    "spike": "spike NotifySpike",
    "splunk": "splunk NotifySplunk",
    "telnyx": "telnyx NotifyTelnyx",
    "tgram": "telegram NotifyTelegram",
    "threema": "threema NotifyThreema",
    "twilio": "twilio NotifyTwilio",
    "victorops": "splunk NotifySplunk",
    "vonage": "vonage NotifyVonage",
    "webex": "webexteams NotifyWebexTeams",
    "wecombot": "wecombot NotifyWeComBot",
    "whatsapp": "whatsapp NotifyWhatsApp",
    "wxteams": "webexteams NotifyWebexTeams",
    "zoom": "zoom NotifyZoom",
    "zulip": "zulip NotifyZulip",
}
HOSTED = {
    "apprise": "apprise_api NotifyAppriseAPI",
    "apprises": "apprise_api NotifyAppriseAPI",
    "form": "custom_form NotifyForm",
    "forms": "custom_form NotifyForm",
    "goalert": "goalert NotifyGoAlert",
    "goalerts": "goalert NotifyGoAlert",
    "gotify": "gotify NotifyGotify",
    "gotifys": "gotify NotifyGotify",
    "hassio": "home_assistant NotifyHomeAssistant",
    "hassios": "home_assistant NotifyHomeAssistant",
    "json": "custom_json NotifyJSON",
    "jsons": "custom_json NotifyJSON",
    "matrix": "matrix.base NotifyMatrix",
    "matrixs": "matrix.base NotifyMatrix",
    "mmost": "mattermost NotifyMattermost",
    "mmosts": "mattermost NotifyMattermost",
    "ntfy": "ntfy NotifyNtfy",
    "ntfys": "ntfy NotifyNtfy",
    "rocket": "rocketchat NotifyRocketChat",
    "rockets": "rocketchat NotifyRocketChat",
    "workflow": "workflows NotifyWorkflows",
    "workflows": "workflows NotifyWorkflows",
    "xml": "custom_xml NotifyXML",
    "xmls": "custom_xml NotifyXML",
}
ALL = MAIL | FIXED | HOSTED
# Options that name a file or another address, change who is called, or how long that may take.
REFUSED = frozenset(
    {"attach", "template", "keyfile", "pgp", "pgppub", "pgpprv", "wkd", "include", "file"}
    | {"redirect", "store", "retry", "wait", "rto", "cto", "optional"}
)
LONGEST = 2_000  # characters of an address


class BadChannel(ValueError):
    """An address that no channel may have; the text is one sentence."""


def scheme_of(url: str) -> str:
    """The scheme of an address that a channel may have; BadChannel for any other."""
    if len(url) > LONGEST:
        raise BadChannel(f"The address is longer than {LONGEST:,} characters.")
    if not url.isprintable() or " " in url:
        raise BadChannel("The address holds a space or a control character.")
    scheme, colon, rest = url.partition("://")
    if not colon or not rest:
        raise BadChannel("This is not an address such as slack://…, mailto://… or ntfys://….")
    if scheme.lower() not in ALL:
        raise BadChannel(f"{scheme[:40]}:// is not a service that alerts can be sent to.")
    return scheme.lower()
