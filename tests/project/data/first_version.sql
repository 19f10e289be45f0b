-- A database that the first version made (2026-11-28), dumped: the jobs of some seconds of the demo.
BEGIN TRANSACTION;
CREATE TABLE "alarms_alert" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "key" varchar(300) NOT NULL, "about" varchar(8) NOT NULL, "subject" varchar(200) NOT NULL, "sentence" varchar(500) NOT NULL, "opened_at" datetime NOT NULL, "closed_at" datetime NULL, "dismissed_at" datetime NULL, "dismissed_by" varchar(150) NOT NULL, "rule_id" bigint NULL REFERENCES "alarms_rule" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "alarms_rule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "watch" varchar(8) NOT NULL, "kind" varchar(200) NOT NULL, "queue" varchar(100) NOT NULL, "schedule" char(32) NULL, "times" integer unsigned NOT NULL CHECK ("times" >= 0), "minutes" integer unsigned NOT NULL CHECK ("minutes" >= 0), "seconds" integer unsigned NOT NULL CHECK ("seconds" >= 0), "enabled" bool NOT NULL, "created_at" datetime NOT NULL, "owner_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
INSERT INTO "alarms_rule" VALUES(1,'01a22353eb9a7ccb992122c2a84611cf','worker','','',NULL,5,10,60,1,'2026-11-28 18:03:52.090250',NULL);
INSERT INTO "alarms_rule" VALUES(2,'01a22353eb9a78fd9bded802a446eb60','schedule','','',NULL,5,10,60,1,'2026-11-28 18:03:52.090813',NULL);
CREATE TABLE "auth_group" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(150) NOT NULL UNIQUE);
INSERT INTO "auth_group" VALUES(1,'viewer');
INSERT INTO "auth_group" VALUES(2,'operator');
INSERT INTO "auth_group" VALUES(3,'admin');
CREATE TABLE "auth_group_permissions" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED, "permission_id" integer NOT NULL REFERENCES "auth_permission" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "auth_permission" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "content_type_id" integer NOT NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED, "codename" varchar(100) NOT NULL, "name" varchar(255) NOT NULL);
CREATE TABLE "auth_user" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "password" varchar(128) NOT NULL, "last_login" datetime NULL, "is_superuser" bool NOT NULL, "username" varchar(150) NOT NULL UNIQUE, "last_name" varchar(150) NOT NULL, "email" varchar(254) NOT NULL, "is_staff" bool NOT NULL, "is_active" bool NOT NULL, "date_joined" datetime NOT NULL, "first_name" varchar(150) NOT NULL);
INSERT INTO "auth_user" VALUES(1,'!',NULL,1,'alice','','',1,1,'2026-11-28 18:03:53.159896','');
CREATE TABLE "auth_user_groups" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "auth_user_user_permissions" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "permission_id" integer NOT NULL REFERENCES "auth_permission" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "checks_observation" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "job" char(32) NOT NULL UNIQUE, "at" datetime NOT NULL, "up" bool NOT NULL, "http_status" smallint unsigned NULL CHECK ("http_status" >= 0), "seconds" real NOT NULL, "reason" varchar(300) NOT NULL, "service_id" bigint NOT NULL REFERENCES "checks_service" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "checks_service" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "url" varchar(2048) NOT NULL UNIQUE, "status" varchar(7) NOT NULL, "since" datetime NOT NULL, "checked_at" datetime NULL, CONSTRAINT "service_status" CHECK ("status" IN ('unknown', 'up', 'down')));
CREATE TABLE "django_admin_log" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "object_id" text NULL, "object_repr" varchar(200) NOT NULL, "action_flag" smallint unsigned NOT NULL CHECK ("action_flag" >= 0), "change_message" text NOT NULL, "content_type_id" integer NULL REFERENCES "django_content_type" ("id") DEFERRABLE INITIALLY DEFERRED, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "action_time" datetime NOT NULL);
CREATE TABLE "django_celery_beat_clockedschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "clocked_time" datetime NOT NULL);
CREATE TABLE "django_celery_beat_crontabschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "minute" varchar(240) NOT NULL, "hour" varchar(96) NOT NULL, "day_of_week" varchar(64) NOT NULL, "day_of_month" varchar(124) NOT NULL, "month_of_year" varchar(64) NOT NULL, "timezone" varchar(63) NOT NULL);
INSERT INTO "django_celery_beat_crontabschedule" VALUES(1,'17','3','*','*','*','UTC');
CREATE TABLE "django_celery_beat_intervalschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "every" integer NOT NULL, "period" varchar(24) NOT NULL);
INSERT INTO "django_celery_beat_intervalschedule" VALUES(1,5,'minutes');
CREATE TABLE "django_celery_beat_periodictask" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(200) NOT NULL UNIQUE, "task" varchar(200) NOT NULL, "args" text NOT NULL, "kwargs" text NOT NULL, "queue" varchar(200) NULL, "exchange" varchar(200) NULL, "routing_key" varchar(200) NULL, "expires" datetime NULL, "enabled" bool NOT NULL, "last_run_at" datetime NULL, "total_run_count" integer unsigned NOT NULL CHECK ("total_run_count" >= 0), "date_changed" datetime NOT NULL, "description" text NOT NULL, "crontab_id" integer NULL REFERENCES "django_celery_beat_crontabschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "interval_id" integer NULL REFERENCES "django_celery_beat_intervalschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "solar_id" integer NULL REFERENCES "django_celery_beat_solarschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "one_off" bool NOT NULL, "start_time" datetime NULL, "priority" integer unsigned NULL CHECK ("priority" >= 0), "headers" text NOT NULL, "clocked_id" integer NULL REFERENCES "django_celery_beat_clockedschedule" ("id") DEFERRABLE INITIALLY DEFERRED, "expire_seconds" integer unsigned NULL CHECK ("expire_seconds" >= 0));
INSERT INTO "django_celery_beat_periodictask" VALUES(1,'roll_up','roll_up','[]','{}',NULL,NULL,NULL,NULL,1,NULL,0,'2026-11-28 18:03:53.094186','',NULL,1,NULL,0,NULL,NULL,'{}',NULL,NULL);
INSERT INTO "django_celery_beat_periodictask" VALUES(2,'prune','prune','[]','{}',NULL,NULL,NULL,NULL,1,NULL,0,'2026-11-28 18:03:53.096081','',1,NULL,NULL,0,NULL,NULL,'{}',NULL,NULL);
CREATE TABLE "django_celery_beat_periodictasks" ("ident" smallint NOT NULL PRIMARY KEY, "last_update" datetime NOT NULL);
CREATE TABLE "django_celery_beat_solarschedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "event" varchar(24) NOT NULL, "latitude" decimal NOT NULL, "longitude" decimal NOT NULL);
CREATE TABLE "django_content_type" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app_label" varchar(100) NOT NULL, "model" varchar(100) NOT NULL);
INSERT INTO "django_content_type" VALUES(1,'tasks','worker');
INSERT INTO "django_content_type" VALUES(2,'tasks','job');
INSERT INTO "django_content_type" VALUES(3,'tasks','attempt');
INSERT INTO "django_content_type" VALUES(4,'tasks','logline');
INSERT INTO "django_content_type" VALUES(5,'tasks','minute');
INSERT INTO "django_content_type" VALUES(6,'tasks','queue');
INSERT INTO "django_content_type" VALUES(7,'tasks','effect');
INSERT INTO "django_content_type" VALUES(8,'tasks','bar');
INSERT INTO "django_content_type" VALUES(9,'door','entry');
INSERT INTO "django_content_type" VALUES(10,'door','sharelink');
INSERT INTO "django_content_type" VALUES(11,'door','token');
INSERT INTO "django_content_type" VALUES(12,'door','session');
INSERT INTO "django_content_type" VALUES(13,'hooks','endpoint');
INSERT INTO "django_content_type" VALUES(14,'hooks','delivery');
INSERT INTO "django_content_type" VALUES(15,'hooks','deliveryattempt');
INSERT INTO "django_content_type" VALUES(16,'timetable','beat');
INSERT INTO "django_content_type" VALUES(17,'timetable','schedule');
INSERT INTO "django_content_type" VALUES(18,'timetable','run');
INSERT INTO "django_content_type" VALUES(19,'alarms','rule');
INSERT INTO "django_content_type" VALUES(20,'alarms','alert');
INSERT INTO "django_content_type" VALUES(21,'failures','handled');
INSERT INTO "django_content_type" VALUES(22,'feeds','feed');
INSERT INTO "django_content_type" VALUES(23,'feeds','entry');
INSERT INTO "django_content_type" VALUES(24,'feeds','subscription');
INSERT INTO "django_content_type" VALUES(25,'checks','service');
INSERT INTO "django_content_type" VALUES(26,'checks','observation');
INSERT INTO "django_content_type" VALUES(27,'images','collection');
INSERT INTO "django_content_type" VALUES(28,'images','image');
INSERT INTO "django_content_type" VALUES(29,'admin','logentry');
INSERT INTO "django_content_type" VALUES(30,'auth','permission');
INSERT INTO "django_content_type" VALUES(31,'auth','group');
INSERT INTO "django_content_type" VALUES(32,'auth','user');
INSERT INTO "django_content_type" VALUES(33,'contenttypes','contenttype');
INSERT INTO "django_content_type" VALUES(34,'sessions','session');
INSERT INTO "django_content_type" VALUES(35,'django_celery_beat','crontabschedule');
INSERT INTO "django_content_type" VALUES(36,'django_celery_beat','intervalschedule');
INSERT INTO "django_content_type" VALUES(37,'django_celery_beat','periodictask');
INSERT INTO "django_content_type" VALUES(38,'django_celery_beat','periodictasks');
INSERT INTO "django_content_type" VALUES(39,'django_celery_beat','solarschedule');
INSERT INTO "django_content_type" VALUES(40,'django_celery_beat','clockedschedule');
CREATE TABLE "django_migrations" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "app" varchar(255) NOT NULL, "name" varchar(255) NOT NULL, "applied" datetime NOT NULL);
INSERT INTO "django_migrations" VALUES(1,'contenttypes','0001_initial','2026-11-28 18:03:52.040806');
INSERT INTO "django_migrations" VALUES(2,'auth','0001_initial','2026-11-28 18:03:52.051789');
INSERT INTO "django_migrations" VALUES(3,'admin','0001_initial','2026-11-28 18:03:52.057731');
INSERT INTO "django_migrations" VALUES(4,'admin','0002_logentry_remove_auto_add','2026-11-28 18:03:52.066439');
INSERT INTO "django_migrations" VALUES(5,'admin','0003_logentry_add_action_flag_choices','2026-11-28 18:03:52.071775');
INSERT INTO "django_migrations" VALUES(6,'alarms','0001_alerts','2026-11-28 18:03:52.084027');
INSERT INTO "django_migrations" VALUES(7,'alarms','0002_first_rules','2026-11-28 18:03:52.091116');
INSERT INTO "django_migrations" VALUES(8,'contenttypes','0002_remove_content_type_name','2026-11-28 18:03:52.105850');
INSERT INTO "django_migrations" VALUES(9,'auth','0002_alter_permission_name_max_length','2026-11-28 18:03:52.115061');
INSERT INTO "django_migrations" VALUES(10,'auth','0003_alter_user_email_max_length','2026-11-28 18:03:52.122027');
INSERT INTO "django_migrations" VALUES(11,'auth','0004_alter_user_username_opts','2026-11-28 18:03:52.127174');
INSERT INTO "django_migrations" VALUES(12,'auth','0005_alter_user_last_login_null','2026-11-28 18:03:52.134174');
INSERT INTO "django_migrations" VALUES(13,'auth','0006_require_contenttypes_0002','2026-11-28 18:03:52.135227');
INSERT INTO "django_migrations" VALUES(14,'auth','0007_alter_validators_add_error_messages','2026-11-28 18:03:52.140307');
INSERT INTO "django_migrations" VALUES(15,'auth','0008_alter_user_username_max_length','2026-11-28 18:03:52.147452');
INSERT INTO "django_migrations" VALUES(16,'auth','0009_alter_user_last_name_max_length','2026-11-28 18:03:52.154960');
INSERT INTO "django_migrations" VALUES(17,'auth','0010_alter_group_name_max_length','2026-11-28 18:03:52.164304');
INSERT INTO "django_migrations" VALUES(18,'auth','0011_update_proxy_permissions','2026-11-28 18:03:52.169614');
INSERT INTO "django_migrations" VALUES(19,'auth','0012_alter_user_first_name_max_length','2026-11-28 18:03:52.176203');
INSERT INTO "django_migrations" VALUES(20,'checks','0001_initial','2026-11-28 18:03:52.181576');
INSERT INTO "django_migrations" VALUES(21,'django_celery_beat','0001_initial','2026-11-28 18:03:52.187640');
INSERT INTO "django_migrations" VALUES(22,'django_celery_beat','0002_auto_20161118_0346','2026-11-28 18:03:52.192510');
INSERT INTO "django_migrations" VALUES(23,'django_celery_beat','0003_auto_20161209_0049','2026-11-28 18:03:52.196481');
INSERT INTO "django_migrations" VALUES(24,'django_celery_beat','0004_auto_20170221_0000','2026-11-28 18:03:52.198959');
INSERT INTO "django_migrations" VALUES(25,'django_celery_beat','0005_add_solarschedule_events_choices','2026-11-28 18:03:52.201312');
INSERT INTO "django_migrations" VALUES(26,'django_celery_beat','0006_auto_20180322_0932','2026-11-28 18:03:52.233346');
INSERT INTO "django_migrations" VALUES(27,'django_celery_beat','0007_auto_20180521_0826','2026-11-28 18:03:52.248131');
INSERT INTO "django_migrations" VALUES(28,'django_celery_beat','0008_auto_20180914_1922','2026-11-28 18:03:52.273909');
INSERT INTO "django_migrations" VALUES(29,'django_celery_beat','0006_auto_20180210_1226','2026-11-28 18:03:52.290936');
INSERT INTO "django_migrations" VALUES(30,'django_celery_beat','0006_periodictask_priority','2026-11-28 18:03:52.297990');
INSERT INTO "django_migrations" VALUES(31,'django_celery_beat','0009_periodictask_headers','2026-11-28 18:03:52.307062');
INSERT INTO "django_migrations" VALUES(32,'django_celery_beat','0010_auto_20190429_0326','2026-11-28 18:03:52.445096');
INSERT INTO "django_migrations" VALUES(33,'django_celery_beat','0011_auto_20190508_0153','2026-11-28 18:03:52.453507');
INSERT INTO "django_migrations" VALUES(34,'django_celery_beat','0012_periodictask_expire_seconds','2026-11-28 18:03:52.460114');
INSERT INTO "django_migrations" VALUES(35,'django_celery_beat','0013_auto_20200609_0727','2026-11-28 18:03:52.469641');
INSERT INTO "django_migrations" VALUES(36,'django_celery_beat','0014_remove_clockedschedule_enabled','2026-11-28 18:03:52.475276');
INSERT INTO "django_migrations" VALUES(37,'django_celery_beat','0015_edit_solarschedule_events_choices','2026-11-28 18:03:52.479271');
INSERT INTO "django_migrations" VALUES(38,'django_celery_beat','0016_alter_crontabschedule_timezone','2026-11-28 18:03:52.489166');
INSERT INTO "django_migrations" VALUES(39,'django_celery_beat','0017_alter_crontabschedule_month_of_year','2026-11-28 18:03:52.495179');
INSERT INTO "django_migrations" VALUES(40,'django_celery_beat','0018_improve_crontab_helptext','2026-11-28 18:03:52.502764');
INSERT INTO "django_migrations" VALUES(41,'django_celery_beat','0019_alter_periodictasks_options','2026-11-28 18:03:52.504526');
INSERT INTO "django_migrations" VALUES(42,'tasks','0001_initial','2026-11-28 18:03:52.697956');
INSERT INTO "django_migrations" VALUES(43,'door','0001_door','2026-11-28 18:03:52.722246');
INSERT INTO "django_migrations" VALUES(44,'door','0002_roles','2026-11-28 18:03:52.743531');
INSERT INTO "django_migrations" VALUES(45,'door','0003_unchangeable','2026-11-28 18:03:52.761427');
INSERT INTO "django_migrations" VALUES(46,'door','0004_sessions','2026-11-28 18:03:52.764248');
INSERT INTO "django_migrations" VALUES(47,'door','0005_entries_by_target','2026-11-28 18:03:52.767913');
INSERT INTO "django_migrations" VALUES(48,'failures','0001_handled','2026-11-28 18:03:52.769550');
INSERT INTO "django_migrations" VALUES(49,'feeds','0001_initial','2026-11-28 18:03:52.785240');
INSERT INTO "django_migrations" VALUES(50,'hooks','0001_endpoints','2026-11-28 18:03:52.837869');
INSERT INTO "django_migrations" VALUES(51,'images','0001_initial','2026-11-28 18:03:52.967681');
INSERT INTO "django_migrations" VALUES(52,'sessions','0001_initial','2026-11-28 18:03:52.970307');
INSERT INTO "django_migrations" VALUES(53,'tasks','0002_effects','2026-11-28 18:03:52.986526');
INSERT INTO "django_migrations" VALUES(54,'tasks','0003_bars','2026-11-28 18:03:53.000121');
INSERT INTO "django_migrations" VALUES(55,'tasks','0004_failures','2026-11-28 18:03:53.021730');
INSERT INTO "django_migrations" VALUES(56,'timetable','0001_schedules','2026-11-28 18:03:53.066044');
INSERT INTO "django_migrations" VALUES(57,'timetable','0002_chores','2026-11-28 18:03:53.096547');
CREATE TABLE "django_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL);
CREATE TABLE "door_entry" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "at" datetime NOT NULL, "who" varchar(150) NOT NULL, "via" varchar(8) NOT NULL, "token" char(32) NULL, "action" varchar(60) NOT NULL, "target" varchar(300) NOT NULL, "outcome" varchar(7) NOT NULL, "code" varchar(40) NOT NULL, "address" varchar(45) NOT NULL, "request" varchar(64) NOT NULL, "detail" text NOT NULL CHECK ((JSON_VALID("detail") OR "detail" IS NULL)));
INSERT INTO "door_entry" VALUES(1,'01a2235493947edf97e9857f15002321','2026-11-28 18:04:35.092849','','shell',NULL,'submit','01a22354-9384-723b-a8c2-5071ff515a4f','done','','','','{"kind": "countdown"}');
INSERT INTO "door_entry" VALUES(2,'01a22354a285790baeca51d6e74b2c32','2026-11-28 18:04:38.917120','','shell',NULL,'change_tokens','token 01a22354-a284-7dc9-a375-e80f4c0724f8','done','','','','{"scope": "manage", "owner": "alice"}');
CREATE TABLE "door_session" ("session_key" varchar(40) NOT NULL PRIMARY KEY, "session_data" text NOT NULL, "expire_date" datetime NOT NULL, "user" bigint NULL);
CREATE TABLE "door_sharelink" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "created_at" datetime NOT NULL, "expires_at" datetime NOT NULL, "revoked_at" datetime NULL, "framed_by" text NOT NULL CHECK ((JSON_VALID("framed_by") OR "framed_by" IS NULL)), "job_id" bigint NOT NULL REFERENCES "tasks_job" ("id") DEFERRABLE INITIALLY DEFERRED, "owner_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "door_token" ("digest" varchar(128) NOT NULL PRIMARY KEY, "token_key" varchar(25) NOT NULL, "created" datetime NOT NULL, "expiry" datetime NULL, "uid" char(32) NOT NULL UNIQUE, "name" varchar(100) NOT NULL, "scope" varchar(6) NOT NULL, "last_used_at" datetime NULL, "made_by_id" varchar(128) NULL REFERENCES "door_token" ("digest") DEFERRABLE INITIALLY DEFERRED, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "failures_handled" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "kind" varchar(200) NOT NULL, "key" varchar(64) NOT NULL, "until" datetime NOT NULL, "at" datetime NOT NULL, "by" varchar(150) NOT NULL, CONSTRAINT "handled_once" UNIQUE ("kind", "key"));
CREATE TABLE "feeds_entry" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "entry_id" varchar(500) NOT NULL, "digest" varchar(64) NOT NULL, "title" varchar(500) NOT NULL, "link" varchar(2000) NOT NULL, "author" varchar(200) NOT NULL, "html" text NOT NULL, "published_at" datetime NULL, "at" datetime NOT NULL, "feed_id" bigint NOT NULL REFERENCES "feeds_feed" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "feed_entry_once" UNIQUE ("feed_id", "entry_id"));
CREATE TABLE "feeds_feed" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "version" bigint NOT NULL, "url" varchar(2000) NOT NULL UNIQUE, "title" varchar(300) NOT NULL, "site" varchar(2000) NOT NULL, "format" varchar(20) NOT NULL, "status" varchar(3) NOT NULL, "off_reason" varchar(300) NOT NULL, "problem" varchar(500) NOT NULL, "etag" varchar(500) NOT NULL, "last_modified" varchar(100) NOT NULL, "subscribers" integer unsigned NOT NULL CHECK ("subscribers" >= 0), "created_at" datetime NOT NULL, "fetched_at" datetime NULL, "changed_at" datetime NULL, CONSTRAINT "feed_status" CHECK ("status" IN ('on', 'off')));
CREATE TABLE "feeds_subscription" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "created_at" datetime NOT NULL, "feed_id" bigint NOT NULL REFERENCES "feeds_feed" ("id") DEFERRABLE INITIALLY DEFERRED, "user_id" integer NOT NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "feed_subscription_once" UNIQUE ("feed_id", "user_id"));
CREATE TABLE "hooks_delivery" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "lane" varchar(300) NOT NULL, "url" text NOT NULL, "event" varchar(40) NOT NULL, "job" char(32) NULL, "body" text NOT NULL, "status" varchar(9) NOT NULL, "tries" integer NOT NULL, "tries_before" integer NOT NULL, "next_try_at" datetime NULL, "created_at" datetime NOT NULL, "finished_at" datetime NULL, "endpoint_id" bigint NOT NULL REFERENCES "hooks_endpoint" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "hooks_deliveryattempt" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "number" integer NOT NULL, "at" datetime NOT NULL, "seconds" real NOT NULL, "code" integer NULL, "error" varchar(300) NOT NULL, "reply" varchar(500) NOT NULL, "delivery_id" bigint NOT NULL REFERENCES "hooks_delivery" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "delivery_attempt_once" UNIQUE ("delivery_id", "number"));
CREATE TABLE "hooks_endpoint" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "name" varchar(100) NOT NULL, "url" text NOT NULL, "states" text NOT NULL CHECK ((JSON_VALID("states") OR "states" IS NULL)), "kinds" text NOT NULL CHECK ((JSON_VALID("kinds") OR "kinds" IS NULL)), "queues" text NOT NULL CHECK ((JSON_VALID("queues") OR "queues" IS NULL)), "alerts" bool NOT NULL, "enabled" bool NOT NULL, "hears_running" bool NOT NULL, "hears_succeeded" bool NOT NULL, "secret" text NOT NULL, "old_secret" text NOT NULL, "old_until" datetime NULL, "failing_since" datetime NULL, "off_because" varchar(300) NOT NULL, "callbacks_of" varchar(40) NULL UNIQUE, "created_at" datetime NOT NULL, "owner_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "images_collection" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "name" varchar(200) NOT NULL, "folder" varchar(1000) NOT NULL, "archive_name" varchar(255) NOT NULL, "run" char(32) NULL, "planned_at" datetime NULL, "finished_at" datetime NULL, "created_at" datetime NOT NULL, "owner_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "images_image" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "sha256" varchar(64) NOT NULL, "reference" bool NOT NULL, "path" varchar(1000) NOT NULL, "bytes" bigint NOT NULL, "changed_ns" bigint NOT NULL, "part" integer unsigned NOT NULL CHECK ("part" >= 0), "tries" smallint unsigned NOT NULL CHECK ("tries" >= 0), "format" varchar(10) NOT NULL, "width" integer unsigned NOT NULL CHECK ("width" >= 0), "height" integer unsigned NOT NULL CHECK ("height" >= 0), "hash" varchar(16) NOT NULL, "distance" smallint unsigned NULL CHECK ("distance" >= 0), "problem" varchar(300) NOT NULL, "completed_at" datetime NULL, "collection_id" bigint NOT NULL REFERENCES "images_collection" ("id") DEFERRABLE INITIALLY DEFERRED, "match_id" bigint NULL REFERENCES "images_image" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "image_once" UNIQUE ("collection_id", "sha256", "reference"));
CREATE TABLE "tasks_attempt" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "number" integer NOT NULL, "worker" varchar(200) NOT NULL, "started_at" datetime NULL, "finished_at" datetime NOT NULL, "outcome" varchar(9) NOT NULL, "error" text NOT NULL, "traceback" text NOT NULL, "job_id" bigint NOT NULL REFERENCES "tasks_job" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "attempt_once" UNIQUE ("job_id", "number"));
INSERT INTO "tasks_attempt" VALUES(1,1,'main@vm','2026-11-28 18:04:13.337259','2026-11-28 18:04:16.339493','failed','RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
',9);
INSERT INTO "tasks_attempt" VALUES(2,1,'main@vm','2026-11-28 18:04:33.447916','2026-11-28 18:04:36.449147','failed','RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
',18);
INSERT INTO "tasks_attempt" VALUES(3,1,'main@vm','2026-11-28 18:04:36.469151','2026-11-28 18:04:37.470320','failed','RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
',20);
INSERT INTO "tasks_attempt" VALUES(4,1,'main@vm','2026-11-28 18:04:49.634634','2026-11-28 18:04:52.636531','failed','RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
',28);
CREATE TABLE "tasks_bar" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "at" datetime NOT NULL, "kind" varchar(200) NOT NULL, "outcome" varchar(9) NOT NULL, "n" integer NOT NULL, "waiting" text NOT NULL CHECK ((JSON_VALID("waiting") OR "waiting" IS NULL)), "running" text NOT NULL CHECK ((JSON_VALID("running") OR "running" IS NULL)), "minutes" smallint NOT NULL, CONSTRAINT "bar_once" UNIQUE ("minutes", "at", "kind", "outcome"));
CREATE TABLE "tasks_effect" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(200) NOT NULL, "at" datetime NOT NULL, "job_id" bigint NOT NULL REFERENCES "tasks_job" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "effect_once" UNIQUE ("job_id", "name"));
CREATE TABLE "tasks_job" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "state" varchar(9) NOT NULL, "version" bigint NOT NULL, "attempt" integer NOT NULL, "beat" bigint NOT NULL, "failures" integer NOT NULL, "max_attempts" integer NOT NULL, "kind" varchar(200) NOT NULL, "queue" varchar(100) NOT NULL, "priority" smallint NOT NULL, "params" text NOT NULL CHECK ((JSON_VALID("params") OR "params" IS NULL)), "secrets" text NOT NULL, "result" text NULL CHECK ((JSON_VALID("result") OR "result" IS NULL)), "error" text NOT NULL, "traceback" text NOT NULL, "error_key" varchar(64) NOT NULL, "progress_done" bigint NOT NULL, "progress_total" bigint NOT NULL, "progress_note" varchar(200) NOT NULL, "log_seq" bigint NOT NULL, "cancel_requested_at" datetime NULL, "cancel_reason" varchar(500) NOT NULL, "due_at" datetime NULL, "rung_at" datetime NULL, "created_at" datetime NOT NULL, "started_at" datetime NULL, "finished_at" datetime NULL, "worker" varchar(200) NOT NULL, "pid" integer NULL, "schedule" char(32) NULL, "slot" varchar(40) NULL, "serial_key" varchar(200) NOT NULL, "idempotency_key" varchar(255) NULL, "idempotency_digest" varchar(64) NOT NULL, "parent" char(32) NULL, "copy_of" char(32) NULL, "follow_ups" text NULL CHECK ((JSON_VALID("follow_ups") OR "follow_ups" IS NULL)), "callback_url" text NOT NULL, "cancel_requested_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "owner_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "queued_at" datetime NULL, CONSTRAINT "job_idempotency" UNIQUE ("owner_id", "idempotency_key"), CONSTRAINT "job_slot" UNIQUE ("schedule", "slot"), CONSTRAINT "job_state" CHECK ("state" IN ('scheduled', 'queued', 'running', 'retrying', 'succeeded', 'failed', 'cancelled')), CONSTRAINT "job_priority" CHECK ("priority" BETWEEN 0 AND 9));
INSERT INTO "tasks_job" VALUES(1,'01a22353ff997daaa7b9bc59192d72cb','succeeded',18,1,2,0,4,'countdown','default',3,'{"seconds": 4, "steps": 16, "fail": false}','','{"seconds": 4, "steps": 16}','','','',16,16,'',1,NULL,'',NULL,'2026-11-28 18:03:57.209299','2026-11-28 18:03:57.209299','2026-11-28 18:03:57.241686','2026-11-28 18:04:01.259205','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(2,'01a22354078778888a1827d3d4cb4750','succeeded',10,1,1,0,4,'countdown','default',3,'{"seconds": 2, "steps": 8, "fail": false}','','{"seconds": 2, "steps": 8}','','','',8,8,'',1,NULL,'',NULL,'2026-11-28 18:03:59.239180','2026-11-28 18:03:59.239180','2026-11-28 18:03:59.252736','2026-11-28 18:04:01.268529','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(3,'01a223540f637da68e63f5423a31eaa9','succeeded',26,1,3,0,4,'countdown','default',3,'{"seconds": 6, "steps": 24, "fail": false}','','{"seconds": 6, "steps": 24}','','','',24,24,'',1,NULL,'',NULL,'2026-11-28 18:04:01.251684','2026-11-28 18:04:01.251684','2026-11-28 18:04:01.268268','2026-11-28 18:04:07.269262','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(4,'01a22354173b7900abe4ddcbb124e71c','succeeded',14,1,2,0,4,'countdown','default',3,'{"seconds": 3, "steps": 12, "fail": false}','','{"seconds": 3, "steps": 12}','','','',12,12,'',1,NULL,'',NULL,'2026-11-28 18:04:03.259503','2026-11-28 18:04:03.259503','2026-11-28 18:04:03.268568','2026-11-28 18:04:06.269968','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(5,'01a223541f187bdb9a0e59cf000dba68','succeeded',3,1,1,0,4,'noop','default',3,'{}','',NULL,'','','',0,0,'',0,NULL,'',NULL,'2026-11-28 18:04:05.272055','2026-11-28 18:04:05.272055','2026-11-28 18:04:06.274019','2026-11-28 18:04:06.274619','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(6,'01a2235426f37e96bf915f05fdf60c96','succeeded',10,1,1,0,4,'countdown','default',3,'{"seconds": 2, "steps": 8, "fail": false}','','{"seconds": 2, "steps": 8}','','','',8,8,'',1,NULL,'',NULL,'2026-11-28 18:04:07.283767','2026-11-28 18:04:07.283767','2026-11-28 18:04:07.296161','2026-11-28 18:04:09.297729','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(7,'01a223542ed17201835bc2e66546772e','succeeded',14,1,2,0,4,'countdown','default',3,'{"seconds": 3, "steps": 12, "fail": false}','','{"seconds": 3, "steps": 12}','','','',12,12,'',1,NULL,'',NULL,'2026-11-28 18:04:09.297112','2026-11-28 18:04:09.297112','2026-11-28 18:04:09.303033','2026-11-28 18:04:12.304182','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(8,'01a2235436ab7b50b9ba48648a04efe8','succeeded',10,1,1,0,4,'countdown','default',3,'{"seconds": 2, "steps": 8, "fail": false}','','{"seconds": 2, "steps": 8}','','','',8,8,'',1,NULL,'',NULL,'2026-11-28 18:04:11.307683','2026-11-28 18:04:11.307683','2026-11-28 18:04:11.315459','2026-11-28 18:04:13.320808','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(9,'01a223543e8b7921b8794b9f5e2ec968','failed',14,1,2,1,4,'countdown','default',3,'{"seconds": 3, "steps": 12, "fail": true}','',NULL,'RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
','fed6ab0773c5f7688979c3bfe67e20b5',12,12,'',1,NULL,'',NULL,'2026-11-28 18:04:13.323863','2026-11-28 18:04:13.323863','2026-11-28 18:04:13.337259','2026-11-28 18:04:16.339493','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(10,'01a2235446687b5cade18b3aa8c866c5','succeeded',3,1,1,0,4,'noop','default',3,'{}','',NULL,'','','',0,0,'',0,NULL,'',NULL,'2026-11-28 18:04:15.336452','2026-11-28 18:04:15.336452','2026-11-28 18:04:15.347236','2026-11-28 18:04:15.348194','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(11,'01a223544e44735584778033beb577d9','succeeded',26,1,3,0,4,'countdown','default',3,'{"seconds": 6, "steps": 24, "fail": false}','','{"seconds": 6, "steps": 24}','','','',24,24,'',1,NULL,'',NULL,'2026-11-28 18:04:17.348249','2026-11-28 18:04:17.348249','2026-11-28 18:04:17.363452','2026-11-28 18:04:23.365642','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(12,'01a22354562672ef9b1b560620d3e4f8','succeeded',26,1,3,0,4,'countdown','default',3,'{"seconds": 6, "steps": 24, "fail": false}','','{"seconds": 6, "steps": 24}','','','',24,24,'',1,NULL,'',NULL,'2026-11-28 18:04:19.366333','2026-11-28 18:04:19.366333','2026-11-28 18:04:19.379014','2026-11-28 18:04:25.380106','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(13,'01a223545e08749a852165c82d891c20','succeeded',18,1,2,0,4,'countdown','default',3,'{"seconds": 4, "steps": 16, "fail": false}','','{"seconds": 4, "steps": 16}','','','',16,16,'',1,NULL,'',NULL,'2026-11-28 18:04:21.384649','2026-11-28 18:04:21.384649','2026-11-28 18:04:23.369982','2026-11-28 18:04:27.370758','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(14,'01a2235465e87fa9ae4ab58e0d590528','succeeded',10,1,1,0,4,'countdown','default',3,'{"seconds": 2, "steps": 8, "fail": false}','','{"seconds": 2, "steps": 8}','','','',8,8,'',1,NULL,'',NULL,'2026-11-28 18:04:23.400803','2026-11-28 18:04:23.400803','2026-11-28 18:04:25.388676','2026-11-28 18:04:27.399506','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(15,'01a223546dc270c9971a242414b382c4','succeeded',3,1,1,0,4,'noop','default',3,'{}','',NULL,'','','',0,0,'',0,NULL,'',NULL,'2026-11-28 18:04:25.410003','2026-11-28 18:04:25.410003','2026-11-28 18:04:27.376974','2026-11-28 18:04:27.377705','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(16,'01a2235475a079a2bf03a81d20e167d2','succeeded',26,1,3,0,4,'countdown','default',3,'{"seconds": 6, "steps": 24, "fail": false}','','{"seconds": 6, "steps": 24}','','','',24,24,'',1,NULL,'',NULL,'2026-11-28 18:04:27.424403','2026-11-28 18:04:27.424403','2026-11-28 18:04:27.433351','2026-11-28 18:04:33.437963','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(17,'01a223547d7f77ea98cce8d28942137f','succeeded',22,1,3,0,4,'countdown','default',3,'{"seconds": 5, "steps": 20, "fail": false}','','{"seconds": 5, "steps": 20}','','','',20,20,'',1,NULL,'',NULL,'2026-11-28 18:04:29.439120','2026-11-28 18:04:29.439120','2026-11-28 18:04:29.463827','2026-11-28 18:04:34.465171','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(18,'01a2235485677403a521857ffb246fd2','failed',14,1,2,1,4,'countdown','default',3,'{"seconds": 3, "steps": 12, "fail": true}','',NULL,'RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
','fed6ab0773c5f7688979c3bfe67e20b5',12,12,'',1,NULL,'',NULL,'2026-11-28 18:04:31.463925','2026-11-28 18:04:31.463925','2026-11-28 18:04:33.447916','2026-11-28 18:04:36.449147','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(19,'01a223548d427b8b8b77011bd11609ac','succeeded',14,1,2,0,4,'countdown','default',3,'{"seconds": 3, "steps": 12, "fail": false}','','{"seconds": 3, "steps": 12}','','','',12,12,'',1,NULL,'',NULL,'2026-11-28 18:04:33.474547','2026-11-28 18:04:33.474547','2026-11-28 18:04:34.480682','2026-11-28 18:04:37.491500','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(20,'01a223549384723ba8c25071ff515a4f','failed',6,1,1,1,4,'countdown','default',5,'{"seconds": 1, "steps": 10, "fail": true}','',NULL,'RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
','fed6ab0773c5f7688979c3bfe67e20b5',10,10,'',1,NULL,'',NULL,'2026-11-28 18:04:35.076021','2026-11-28 18:04:35.076021','2026-11-28 18:04:36.469151','2026-11-28 18:04:37.470320','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(21,'01a22354952f730397e540c59b2f93e4','succeeded',3,1,1,0,4,'noop','default',3,'{}','',NULL,'','','',0,0,'',0,NULL,'',NULL,'2026-11-28 18:04:35.503909','2026-11-28 18:04:35.503909','2026-11-28 18:04:37.477754','2026-11-28 18:04:37.478580','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(22,'01a223549d1c74abbfd6576ab10b6c67','succeeded',26,1,3,0,4,'countdown','default',3,'{"seconds": 6, "steps": 24, "fail": false}','','{"seconds": 6, "steps": 24}','','','',24,24,'',1,NULL,'',NULL,'2026-11-28 18:04:37.532943','2026-11-28 18:04:37.532943','2026-11-28 18:04:37.538844','2026-11-28 18:04:43.539919','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(23,'01a22354a4f571e4a1340146e0161c5f','succeeded',26,1,3,0,4,'countdown','default',3,'{"seconds": 6, "steps": 24, "fail": false}','','{"seconds": 6, "steps": 24}','','','',24,24,'',1,NULL,'',NULL,'2026-11-28 18:04:39.541067','2026-11-28 18:04:39.541067','2026-11-28 18:04:39.565482','2026-11-28 18:04:45.566659','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(24,'01a22354ace071bcab95e0ba67ee2f1c','succeeded',22,1,3,0,4,'countdown','default',3,'{"seconds": 5, "steps": 20, "fail": false}','','{"seconds": 5, "steps": 20}','','','',20,20,'',1,NULL,'',NULL,'2026-11-28 18:04:41.568751','2026-11-28 18:04:41.568751','2026-11-28 18:04:43.553104','2026-11-28 18:04:48.559979','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(25,'01a22354b4b77273adeccf5a1e4baf7c','succeeded',18,1,2,0,4,'countdown','default',3,'{"seconds": 4, "steps": 16, "fail": false}','','{"seconds": 4, "steps": 16}','','','',16,16,'',1,NULL,'',NULL,'2026-11-28 18:04:43.575207','2026-11-28 18:04:43.575207','2026-11-28 18:04:45.572621','2026-11-28 18:04:49.580098','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(26,'01a22354bc927f959800c4d974158903','succeeded',3,1,1,0,4,'noop','default',3,'{}','',NULL,'','','',0,0,'',0,NULL,'',NULL,'2026-11-28 18:04:45.586714','2026-11-28 18:04:45.586714','2026-11-28 18:04:48.564349','2026-11-28 18:04:48.565037','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(27,'01a22354c47670e394c0eb6db14c8afc','succeeded',14,1,2,0,4,'countdown','default',3,'{"seconds": 3, "steps": 12, "fail": false}','','{"seconds": 3, "steps": 12}','','','',12,12,'',1,NULL,'',NULL,'2026-11-28 18:04:47.606471','2026-11-28 18:04:47.606471','2026-11-28 18:04:48.566692','2026-11-28 18:04:51.567383','main@vm',6796,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
INSERT INTO "tasks_job" VALUES(28,'01a22354cc58703583f0646851c572b7','failed',14,1,2,1,4,'countdown','default',3,'{"seconds": 3, "steps": 12, "fail": true}','',NULL,'RuntimeError: It failed, as it was asked to.','Traceback (most recent call last):
  File "tasks/kinds/basic.py", line 25, in countdown
    raise RuntimeError("It failed, as it was asked to.")
RuntimeError: It failed, as it was asked to.
','fed6ab0773c5f7688979c3bfe67e20b5',12,12,'',1,NULL,'',NULL,'2026-11-28 18:04:49.624887','2026-11-28 18:04:49.624887','2026-11-28 18:04:49.634634','2026-11-28 18:04:52.636531','main@vm',6781,NULL,NULL,'',NULL,'',NULL,NULL,NULL,'',NULL,NULL,NULL);
CREATE TABLE "tasks_logline" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "seq" bigint NOT NULL, "at" datetime NOT NULL, "level" varchar(7) NOT NULL, "text" text NOT NULL, "job_id" bigint NOT NULL REFERENCES "tasks_job" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "log_line_once" UNIQUE ("job_id", "seq"));
INSERT INTO "tasks_logline" VALUES(1,1,'2026-11-28 18:04:01.259031','info','Counted down to zero.',1);
INSERT INTO "tasks_logline" VALUES(2,1,'2026-11-28 18:04:01.268306','info','Counted down to zero.',2);
INSERT INTO "tasks_logline" VALUES(3,1,'2026-11-28 18:04:06.269845','info','Counted down to zero.',4);
INSERT INTO "tasks_logline" VALUES(4,1,'2026-11-28 18:04:07.269130','info','Counted down to zero.',3);
INSERT INTO "tasks_logline" VALUES(5,1,'2026-11-28 18:04:09.297592','info','Counted down to zero.',6);
INSERT INTO "tasks_logline" VALUES(6,1,'2026-11-28 18:04:12.304019','info','Counted down to zero.',7);
INSERT INTO "tasks_logline" VALUES(7,1,'2026-11-28 18:04:13.320666','info','Counted down to zero.',8);
INSERT INTO "tasks_logline" VALUES(8,1,'2026-11-28 18:04:16.338399','info','Counted down to zero.',9);
INSERT INTO "tasks_logline" VALUES(9,1,'2026-11-28 18:04:23.365529','info','Counted down to zero.',11);
INSERT INTO "tasks_logline" VALUES(10,1,'2026-11-28 18:04:25.379983','info','Counted down to zero.',12);
INSERT INTO "tasks_logline" VALUES(11,1,'2026-11-28 18:04:27.370651','info','Counted down to zero.',13);
INSERT INTO "tasks_logline" VALUES(12,1,'2026-11-28 18:04:27.399393','info','Counted down to zero.',14);
CREATE TABLE "tasks_minute" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "at" datetime NOT NULL, "kind" varchar(200) NOT NULL, "queue" varchar(100) NOT NULL, "outcome" varchar(9) NOT NULL, "n" integer NOT NULL, "waiting" text NOT NULL CHECK ((JSON_VALID("waiting") OR "waiting" IS NULL)), "running" text NOT NULL CHECK ((JSON_VALID("running") OR "running" IS NULL)), CONSTRAINT "minute_once" UNIQUE ("at", "kind", "queue", "outcome"));
CREATE TABLE "tasks_queue" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(100) NOT NULL UNIQUE, "paused" bool NOT NULL, "paused_at" datetime NULL, "paused_by_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE "tasks_worker" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(200) NOT NULL UNIQUE, "host" varchar(200) NOT NULL, "pid" integer NOT NULL, "queues" text NOT NULL CHECK ((JSON_VALID("queues") OR "queues" IS NULL)), "concurrency" integer NOT NULL, "beat" bigint NOT NULL, "seen_at" datetime NOT NULL, "started_at" datetime NOT NULL, "stopped_at" datetime NULL);
INSERT INTO "tasks_worker" VALUES(1,'main@vm','vm',6620,'["chores", "default", "images", "io"]',2,27,'2026-11-28 18:04:51.955816','2026-11-28 18:03:56.301853','2026-11-28 18:04:51.955816');
CREATE TABLE "timetable_beat" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "name" varchar(200) NOT NULL UNIQUE, "started_at" datetime NOT NULL, "seen_at" datetime NOT NULL);
INSERT INTO "timetable_beat" VALUES(1,'vm:6621','2026-11-28 18:03:55.239329','2026-11-28 18:04:49.600882');
CREATE TABLE "timetable_run" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "slot" varchar(40) NOT NULL, "outcome" varchar(7) NOT NULL, "at" datetime NOT NULL, "late_s" real NOT NULL, "count" integer NOT NULL, "job" char(32) NULL, "note" varchar(500) NOT NULL, "schedule_id" bigint NOT NULL REFERENCES "timetable_schedule" ("id") DEFERRABLE INITIALLY DEFERRED, CONSTRAINT "run_once" UNIQUE ("schedule_id", "slot"));
CREATE TABLE "timetable_schedule" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "uid" char(32) NOT NULL UNIQUE, "secrets" text NOT NULL, "priority" smallint NULL, "overlap" varchar(6) NOT NULL, "missed" varchar(6) NOT NULL, "created_at" datetime NOT NULL, "done_until" datetime NOT NULL, "owner_id" integer NULL REFERENCES "auth_user" ("id") DEFERRABLE INITIALLY DEFERRED, "periodic_id" integer NOT NULL UNIQUE REFERENCES "django_celery_beat_periodictask" ("id") DEFERRABLE INITIALLY DEFERRED);
INSERT INTO "timetable_schedule" VALUES(1,'01a22353ef867352b0b4c938b4dc070b','',NULL,'skip','skip','2026-11-28 18:03:53.094479','2026-11-28 18:03:53.094482',NULL,1);
INSERT INTO "timetable_schedule" VALUES(2,'01a22353ef887e0eaca6d007b0b6beec','',NULL,'skip','once','2026-11-28 18:03:53.096317','2026-11-28 18:03:53.096319',NULL,2);
CREATE UNIQUE INDEX "auth_group_permissions_group_id_permission_id_0cd325b0_uniq" ON "auth_group_permissions" ("group_id", "permission_id");
CREATE INDEX "auth_group_permissions_group_id_b120cbf9" ON "auth_group_permissions" ("group_id");
CREATE INDEX "auth_group_permissions_permission_id_84c5c92e" ON "auth_group_permissions" ("permission_id");
CREATE UNIQUE INDEX "auth_user_groups_user_id_group_id_94350c0c_uniq" ON "auth_user_groups" ("user_id", "group_id");
CREATE INDEX "auth_user_groups_user_id_6a12ed8b" ON "auth_user_groups" ("user_id");
CREATE INDEX "auth_user_groups_group_id_97559544" ON "auth_user_groups" ("group_id");
CREATE UNIQUE INDEX "auth_user_user_permissions_user_id_permission_id_14a6b632_uniq" ON "auth_user_user_permissions" ("user_id", "permission_id");
CREATE INDEX "auth_user_user_permissions_user_id_a95ead1b" ON "auth_user_user_permissions" ("user_id");
CREATE INDEX "auth_user_user_permissions_permission_id_1fbb5f2c" ON "auth_user_user_permissions" ("permission_id");
CREATE INDEX "django_admin_log_content_type_id_c4bce8eb" ON "django_admin_log" ("content_type_id");
CREATE INDEX "django_admin_log_user_id_c564eba6" ON "django_admin_log" ("user_id");
CREATE INDEX "alarms_rule_owner_id_c4c75f6f" ON "alarms_rule" ("owner_id");
CREATE UNIQUE INDEX "alert_open_once" ON "alarms_alert" ("key") WHERE "closed_at" IS NULL;
CREATE INDEX "alarms_alert_rule_id_199208ba" ON "alarms_alert" ("rule_id");
CREATE INDEX "alert_open" ON "alarms_alert" ("opened_at") WHERE "closed_at" IS NULL;
CREATE UNIQUE INDEX "django_content_type_app_label_model_76bd3d3b_uniq" ON "django_content_type" ("app_label", "model");
CREATE UNIQUE INDEX "auth_permission_content_type_id_codename_01ab375a_uniq" ON "auth_permission" ("content_type_id", "codename");
CREATE INDEX "auth_permission_content_type_id_2f476e4b" ON "auth_permission" ("content_type_id");
CREATE INDEX "checks_shown" ON "checks_observation" ("service_id", "at" DESC, "id" DESC);
CREATE UNIQUE INDEX "django_celery_beat_solarschedule_event_latitude_longitude_ba64999a_uniq" ON "django_celery_beat_solarschedule" ("event", "latitude", "longitude");
CREATE INDEX "django_celery_beat_periodictask_crontab_id_d3cba168" ON "django_celery_beat_periodictask" ("crontab_id");
CREATE INDEX "django_celery_beat_periodictask_interval_id_a8ca27da" ON "django_celery_beat_periodictask" ("interval_id");
CREATE INDEX "django_celery_beat_periodictask_solar_id_a87ce72c" ON "django_celery_beat_periodictask" ("solar_id");
CREATE INDEX "django_celery_beat_periodictask_clocked_id_47a69f82" ON "django_celery_beat_periodictask" ("clocked_id");
CREATE INDEX "tasks_queue_paused_by_id_43186767" ON "tasks_queue" ("paused_by_id");
CREATE UNIQUE INDEX "job_serial" ON "tasks_job" ("serial_key") WHERE ("state" IN ('running', 'retrying') AND NOT ("serial_key" = ''));
CREATE INDEX "job_queued" ON "tasks_job" ("queue", "priority" DESC, "id") WHERE "state" = 'queued';
CREATE INDEX "job_running" ON "tasks_job" ("id") WHERE "state" = 'running';
CREATE INDEX "job_due" ON "tasks_job" ("due_at") WHERE "state" IN ('scheduled', 'retrying');
CREATE INDEX "job_finished" ON "tasks_job" ("finished_at") WHERE "finished_at" IS NOT NULL;
CREATE INDEX "job_kind" ON "tasks_job" ("kind", "id");
CREATE INDEX "job_owner" ON "tasks_job" ("owner_id", "id");
CREATE INDEX "job_serial_order" ON "tasks_job" ("serial_key", "id") WHERE NOT ("serial_key" = '');
CREATE INDEX "job_parent" ON "tasks_job" ("parent") WHERE "parent" IS NOT NULL;
CREATE INDEX "job_copy" ON "tasks_job" ("copy_of") WHERE "copy_of" IS NOT NULL;
CREATE INDEX "tasks_attempt_job_id_fd6fa14f" ON "tasks_attempt" ("job_id");
CREATE INDEX "entry_who" ON "door_entry" ("who", "id");
CREATE INDEX "entry_action" ON "door_entry" ("action", "id");
CREATE INDEX "entry_token" ON "door_entry" ("token", "id") WHERE ("action" = 'submit' AND "token" IS NOT NULL);
CREATE INDEX "entry_login" ON "door_entry" ("address", "id") WHERE ("action" = 'login' AND "outcome" = 'refused');
CREATE INDEX "door_sharelink_job_id_1e753a98" ON "door_sharelink" ("job_id");
CREATE INDEX "door_sharelink_owner_id_0aa7fd5b" ON "door_sharelink" ("owner_id");
CREATE INDEX "door_token_token_key_591b8015" ON "door_token" ("token_key");
CREATE INDEX "door_token_made_by_id_fe718088" ON "door_token" ("made_by_id");
CREATE INDEX "door_token_user_id_a1a3b343" ON "door_token" ("user_id");
CREATE TRIGGER door_entry_unchangeable BEFORE UPDATE ON door_entry BEGIN SELECT RAISE(ABORT, 'an audit entry is never changed'); END;
CREATE INDEX "door_session_expire_date_a762a27d" ON "door_session" ("expire_date");
CREATE INDEX "door_session_user_1ac9eddd" ON "door_session" ("user");
CREATE INDEX "entry_target" ON "door_entry" ("target", "id");
CREATE INDEX "entry_refused" ON "door_entry" ("id") WHERE "outcome" = 'refused';
CREATE INDEX "feed_entries_shown" ON "feeds_entry" ("feed_id", "at" DESC, "id" DESC);
CREATE INDEX "feeds_subscription_feed_id_d121dce7" ON "feeds_subscription" ("feed_id");
CREATE INDEX "feeds_subscription_user_id_77f41761" ON "feeds_subscription" ("user_id");
CREATE INDEX "delivery_open" ON "hooks_delivery" ("lane", "next_try_at") WHERE "status" IN ('pending', 'sending');
CREATE INDEX "delivery_endpoint" ON "hooks_delivery" ("endpoint_id", "id");
CREATE INDEX "delivery_job" ON "hooks_delivery" ("job") WHERE "job" IS NOT NULL;
CREATE INDEX "delivery_finished" ON "hooks_delivery" ("finished_at") WHERE "finished_at" IS NOT NULL;
CREATE INDEX "hooks_endpoint_owner_id_af431c78" ON "hooks_endpoint" ("owner_id");
CREATE INDEX "images_collection_owner_id_74b0f6c0" ON "images_collection" ("owner_id");
CREATE INDEX "images_image_match_id_ad80c90d" ON "images_image" ("match_id");
CREATE INDEX "image_waiting" ON "images_image" ("collection_id", "part") WHERE "completed_at" IS NULL;
CREATE INDEX "image_done" ON "images_image" ("collection_id", "completed_at", "id") WHERE "completed_at" IS NOT NULL;
CREATE INDEX "django_session_expire_date_a5c62663" ON "django_session" ("expire_date");
CREATE INDEX "job_bad" ON "tasks_job" ("state", "id", "kind", "error_key", "finished_at") WHERE "state" IN ('failed', 'cancelled');
CREATE INDEX "timetable_schedule_owner_id_ceba0451" ON "timetable_schedule" ("owner_id");
CREATE INDEX "run_recent" ON "timetable_run" ("schedule_id", "id" DESC);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('django_migrations',57);
INSERT INTO "sqlite_sequence" VALUES('django_admin_log',0);
INSERT INTO "sqlite_sequence" VALUES('alarms_rule',2);
INSERT INTO "sqlite_sequence" VALUES('django_content_type',40);
INSERT INTO "sqlite_sequence" VALUES('auth_permission',160);
INSERT INTO "sqlite_sequence" VALUES('auth_group',3);
INSERT INTO "sqlite_sequence" VALUES('auth_user',1);
INSERT INTO "sqlite_sequence" VALUES('django_celery_beat_periodictask',2);
INSERT INTO "sqlite_sequence" VALUES('django_celery_beat_crontabschedule',1);
INSERT INTO "sqlite_sequence" VALUES('tasks_job',28);
INSERT INTO "sqlite_sequence" VALUES('tasks_attempt',4);
INSERT INTO "sqlite_sequence" VALUES('tasks_logline',23);
INSERT INTO "sqlite_sequence" VALUES('django_celery_beat_intervalschedule',1);
INSERT INTO "sqlite_sequence" VALUES('timetable_schedule',2);
INSERT INTO "sqlite_sequence" VALUES('timetable_beat',1);
INSERT INTO "sqlite_sequence" VALUES('tasks_worker',1);
INSERT INTO "sqlite_sequence" VALUES('door_entry',2);
COMMIT;
