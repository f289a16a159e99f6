// graphql_audit.cjs URL: graphql-http's audits of a server, then its schema as graphql-js sees it. One JSON on stdout:
// {"audits": [{"id", "name", "status", "reason"}], "schema": the printed schema, "problems": [...]}
// SPDX-License-Identifier: Apache-2.0
'use strict';
const {serverAudits} = require('graphql-http');
const {buildClientSchema, getIntrospectionQuery, printSchema, validateSchema} = require('graphql');

const url = process.argv[2];

async function introspect() {
  const options = {specifiedByUrl: true, directiveIsRepeatable: true, schemaDescription: true,
                   inputValueDeprecation: true, oneOf: true};
  const answer = await fetch(url, {method: 'POST', headers: {'content-type': 'application/json'},
                                   body: JSON.stringify({query: getIntrospectionQuery(options)})});
  const {data, errors} = await answer.json();
  if (errors) throw new Error(JSON.stringify(errors));
  return buildClientSchema(data);
}

async function main() {
  const audits = [];
  for (const audit of serverAudits({url})) {
    const result = await audit.fn();
    audits.push({id: audit.id, name: audit.name, status: result.status, reason: result.reason});
  }
  const schema = await introspect();
  process.stdout.write(JSON.stringify({audits, schema: printSchema(schema),
                                       problems: validateSchema(schema).map(String)}));
}

main().catch((e) => { process.stderr.write(String(e.stack)); process.exit(1); });
