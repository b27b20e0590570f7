"""Static leaderboard pages made from a store."""
