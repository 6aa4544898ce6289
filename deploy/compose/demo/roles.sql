-- The demo's roles with their passwords; 'agentarmy-ops init' gives them what else they need.
CREATE ROLE agentarmy_owner LOGIN PASSWORD 'demo';
CREATE ROLE agentarmy_backup LOGIN PASSWORD 'demo';
CREATE ROLE agentarmy_dagster LOGIN PASSWORD 'demo';
CREATE DATABASE dagster OWNER agentarmy_dagster;
