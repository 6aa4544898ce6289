SELECT set_config('agentarmy_ops.statements', %(statements)s, true)
