"""Run by Alembic: migrations on the engine that `server.store.migrations.config` was given."""

from alembic import context

from server.store.schema import metadata

engine = context.config.attributes["engine"]
# SQLite commits DDL as it goes unless told: one transaction for a migration, on both databases.
with engine.connect() as connection:
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    context.configure(connection=connection, target_metadata=metadata, render_as_batch=True, transactional_ddl=True)
    with context.begin_transaction():
        context.run_migrations()
    connection.commit()
