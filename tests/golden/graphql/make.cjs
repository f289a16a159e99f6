// make.cjs SEED N: writes documents.json beside it: documents for the zoo (zoo.graphql, which the test keeps equal to
// tests/unit/graphql/zoo.h), with the verdict of graphql-js 16.11.0. Made by
//   tests/tools/node-modules node tests/golden/graphql/make.cjs 20261124 900
// SPDX-License-Identifier: Apache-2.0
'use strict';
const fs = require('fs');
const path = require('path');
const {buildSchema} = require('graphql');
const {documents} = require('../../clients/graphql_documents.cjs');

const [seed, n] = process.argv.slice(2).map(Number);
const schema = buildSchema(fs.readFileSync(path.join(__dirname, 'zoo.graphql'), 'utf8'));
const lines = documents(schema, seed, n).map((d) => JSON.stringify({text: d.text, valid: d.why === ''}));
fs.writeFileSync(path.join(__dirname, 'documents.json'), '[' + lines.join(',\n') + ']\n');
