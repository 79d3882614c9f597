"""Keys and tenants: made, shown to people, and recognized. Must not know what they have used."""
