# SPDX-License-Identifier: MIT
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="CustomEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.CharField(max_length=64)),
                ("kind", models.CharField(blank=True, max_length=64)),
                ("time", models.DateTimeField()),
                ("user", models.CharField(blank=True, max_length=255)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("fields", models.JSONField(blank=True, default=dict)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["time"], name="headrace_event_time"),
                    models.Index(fields=["kind", "time"], name="headrace_event_kind"),
                    models.Index(fields=["fingerprint", "time"], name="headrace_event_visitor"),
                    models.Index(fields=["user", "time"], name="headrace_event_user"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("event_id",), name="headrace_event_event")
                ],
            },
        ),
        migrations.CreateModel(
            name="PageView",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("event_id", models.CharField(max_length=64)),
                ("time", models.DateTimeField()),
                ("label", models.CharField(blank=True, max_length=64)),
                ("method", models.CharField(blank=True, max_length=16)),
                ("path", models.CharField(blank=True, max_length=2048)),
                ("route", models.CharField(blank=True, max_length=512)),
                ("status", models.PositiveSmallIntegerField(blank=True, null=True)),
                ("duration_us", models.BigIntegerField(blank=True, null=True)),
                ("user", models.CharField(blank=True, max_length=255)),
                ("fingerprint", models.CharField(blank=True, max_length=64)),
                ("new", models.BooleanField(default=False)),
                ("reason", models.CharField(blank=True, max_length=32)),
                ("agent", models.CharField(blank=True, max_length=16)),
                ("db_queries", models.PositiveIntegerField(blank=True, null=True)),
                ("db_ms", models.FloatField(blank=True, null=True)),
                ("extra", models.JSONField(blank=True, default=dict)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["time"], name="headrace_view_time"),
                    models.Index(fields=["route", "time"], name="headrace_view_route"),
                    models.Index(fields=["label", "time"], name="headrace_view_label"),
                    models.Index(fields=["fingerprint", "time"], name="headrace_view_visitor"),
                    models.Index(fields=["user", "time"], name="headrace_view_user"),
                ],
                "constraints": [
                    models.UniqueConstraint(fields=("event_id",), name="headrace_view_event")
                ],
            },
        ),
        migrations.CreateModel(
            name="Visitor",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("fingerprint", models.CharField(max_length=64)),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("views", models.PositiveBigIntegerField(default=0)),
                ("user", models.CharField(blank=True, max_length=255)),
                ("user_seen", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["last_seen"], name="headrace_visitor_last"),
                    models.Index(fields=["first_seen"], name="headrace_visitor_first"),
                    models.Index(fields=["user"], name="headrace_visitor_user"),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("fingerprint",), name="headrace_visitor_fingerprint"
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("first_seen", models.DateTimeField()),
                ("last_seen", models.DateTimeField()),
                ("views", models.PositiveBigIntegerField(default=0)),
                ("entry_path", models.CharField(blank=True, max_length=2048)),
                ("exit_path", models.CharField(blank=True, max_length=2048)),
                ("user", models.CharField(blank=True, max_length=255)),
                ("user_seen", models.DateTimeField(blank=True, null=True)),
                (
                    "visitor",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sessions",
                        to="headrace_analytics.visitor",
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["visitor", "first_seen"], name="headrace_session_visitor"
                    ),
                    models.Index(fields=["first_seen"], name="headrace_session_first"),
                    models.Index(fields=["last_seen"], name="headrace_session_last"),
                    models.Index(fields=["user"], name="headrace_session_user"),
                ],
            },
        ),
    ]
