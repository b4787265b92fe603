"""What every judgement is made of: findings, the rules that make them, and reasons to live with one."""
