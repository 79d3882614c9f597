"""The database: connections, transactions, tables and migrations. Must not know who asks."""
