"""What tokens cost. Must not know who pays."""
