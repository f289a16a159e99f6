// Random documents for a schema, sound ones and damaged ones, and graphql-js's verdict on each: what our validator is
// compared with. The same seed gives the same documents.
// SPDX-License-Identifier: Apache-2.0
'use strict';
const graphql = require('graphql');

// mulberry32
function random(seed) {
  return () => {
    seed = (seed + 0x6D2B79F5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

class Maker {
  constructor(schema, seed) {
    this.schema = schema;
    this.next = random(seed);
  }

  below(n) { return Math.floor(this.next() * n); }
  pick(list) { return list[this.below(list.length)]; }
  chance(p) { return this.next() < p; }

  literal(type, depth = 0) {
    if (graphql.isNonNullType(type)) return this.literal_some(type.ofType, depth);
    return this.chance(0.1) ? 'null' : this.literal_some(type, depth);
  }

  literal_some(type, depth) {
    if (this.variables && depth < 3 && this.chance(0.25)) return this.variable(type);
    if (graphql.isListType(type)) {
      if (this.chance(0.3)) return this.literal_some(type.ofType.ofType ?? type.ofType, depth + 1);
      return '[' + Array.from({length: this.below(3)}, () => this.literal(type.ofType, depth + 1)).join(', ') + ']';
    }
    if (graphql.isEnumType(type)) return this.pick(type.getValues()).name;
    if (graphql.isInputObjectType(type)) {
      let fields = Object.values(type.getFields());
      if (type.isOneOf) {
        const one = this.pick(fields);
        return `{${one.name}: ${this.literal(new graphql.GraphQLNonNull(one.type), depth + 2)}}`;
      }
      fields = fields.filter((f) => graphql.isRequiredInputField(f) || (depth < 3 && this.chance(0.4)));
      return '{' + fields.map((f) => `${f.name}: ${this.literal(f.type, depth + 1)}`).join(', ') + '}';
    }
    switch (type.name) {
      case 'Int': return String(this.below(100) - 50);
      case 'Long': return this.pick(['1', '-5', '4000000000']);
      case 'Float': return this.pick(['1.5', '-2', '3e2', '0.25']);
      case 'Boolean': return this.pick(['true', 'false']);
      case 'ID': return this.pick(['"a"', '7']);
      case 'String': return this.pick(['"x"', '""', '"""block"""', '"\\u00e9\\n"']);
      case 'DateTime': return '"2026-01-31T12:00:00Z"';
      default: return this.pick(['1', '"x"', '{a: [1, {b: RED}]}', '[true]', '{}']);
    }
  }

  // The name of a variable that fits where this type is wanted.
  variable(type) {
    const name = 'v' + this.variables.length;
    let text = String(type);
    if (!graphql.isNonNullType(type) && this.chance(0.5)) text += '!';
    let standard = '';
    if (this.chance(0.3)) {
      const outer = this.variables;
      this.variables = null;
      standard = ' = ' + this.literal_some(graphql.getNullableType(type), 0);
      this.variables = outer;
    }
    // Where null is not welcome: a required one, or one with a default.
    if (!text.endsWith('!') && !standard) text += '!';
    this.variables.push(`$${name}: ${text}${standard}`);
    return '$' + name;
  }

  directives() {
    if (!this.chance(0.1)) return '';
    const value = this.variables && this.chance(0.3) ? this.variable(new graphql.GraphQLNonNull(graphql.GraphQLBoolean))
                                                     : this.pick(['true', 'false']);
    return ` @${this.pick(['skip', 'include'])}(if: ${value})`;
  }

  arguments(field) {
    const given = field.args.filter((a) => graphql.isRequiredArgument(a) || this.chance(0.4));
    return given.length ? '(' + given.map((a) => `${a.name}: ${this.literal(a.type)}`).join(', ') + ')' : '';
  }

  selections(type, depth) {
    const parts = [];
    const fields = graphql.isUnionType(type) ? [] : Object.values(type.getFields());
    for (let n = 1 + this.below(4); n > 0; n--) {
      const kind = this.below(10);
      if (kind === 0) {
        parts.push(this.chance(0.5) ? '__typename' : `t${this.alias++}: __typename`);
      } else if (kind === 1 && depth < 6) {
        const possible = graphql.isAbstractType(type) ? [...this.schema.getPossibleTypes(type), type]
                                                      : [type, ...type.getInterfaces()];
        const on = this.pick(possible);
        const condition = on === type && this.chance(0.5) ? '' : ` on ${on.name}`;
        parts.push(`...${condition}${this.directives()} ${this.selections(condition ? on : type, depth + 1)}`);
      } else if (kind === 2 && depth < 6 && this.fragments.length < 4) {
        const name = 'F' + this.fragments.length;
        const place = this.fragments.length;
        this.fragments.push('');
        this.fragments[place] = `fragment ${name} on ${type.name} ${this.selections(type, depth + 1)}`;
        parts.push(`...${name}${this.directives()}`);
      } else if (fields.length) {
        const field = this.pick(fields);
        const named = graphql.getNamedType(field.type);
        if (graphql.isCompositeType(named) && depth > 6) continue;
        // Mostly under a name of its own: else most documents would have conflicts.
        const alias = field.args.length || this.chance(0.4) ? `a${this.alias++}: ` : '';
        const below = graphql.isCompositeType(named) ? ' ' + this.selections(named, depth + 1) : '';
        parts.push(`${alias}${field.name}${this.arguments(field)}${this.directives()}${below}`);
      }
    }
    if (!parts.length) parts.push('__typename');
    return '{ ' + parts.join(' ') + ' }';
  }

  operation(kind, name) {
    const type = kind === 'mutation' ? this.schema.getMutationType() : this.schema.getQueryType();
    this.variables = [];
    const selections = this.selections(type, 0);
    const head = this.variables.length ? `(${this.variables.join(', ')})` : '';
    this.variables = null;
    return name || head || kind !== 'query' ? `${kind} ${name}${head} ${selections}` : selections;
  }

  sound() {
    this.alias = 0;
    this.fragments = [];
    const kind = this.schema.getMutationType() && this.chance(0.15) ? 'mutation' : 'query';
    const text = this.operation(kind, this.chance(0.5) ? 'Q' : '');
    return [text, ...this.fragments].join(' ');
  }

  // One or two tokens taken out, put in, or replaced; often something that only a rule notices.
  damaged() {
    let tokens = this.sound().match(/"""[^]*?"""|"(?:[^"\\]|\\.)*"|\.\.\.|[A-Za-z_]\w*|-?[\d.]+(?:e\d+)?|[^\s,]/g);
    const types = Object.keys(this.schema.getTypeMap()).filter((n) => !n.startsWith('__'));
    for (let n = 1 + this.below(2); n > 0; n--) {
      const at = this.below(tokens.length);
      const is_name = (t) => t && /^[A-Za-z_]/.test(t);
      const names = tokens.map((t, i) => (is_name(t) ? i : -1)).filter((i) => i >= 0);
      switch (this.below(12)) {
        case 0: tokens.splice(at, 1); break;
        case 1: tokens.splice(at, 0, this.pick(['{', '}', '(', ')', '$v0', '...', 'null', '!', '@skip(if: true)', 'x: 1'])); break;
        case 2: tokens[this.pick(names)] = this.pick(tokens.filter(is_name)); break;
        case 3: tokens[this.pick(names)] = this.pick(types); break;
        case 4: tokens.splice(at, 0, tokens[this.below(tokens.length)]); break;
        case 5: tokens.push(`fragment Unused on ${this.pick(types)} { __typename }`); break;
        case 6: tokens.push(this.pick(['query Q { __typename }', '{ __typename }', 'fragment F0 on Query { ...F0 }'])); break;
        case 7: { // a literal of another kind
          const values = tokens.map((t, i) => (/^["\d-]|^(true|false|null)$/.test(t) ? i : -1)).filter((i) => i >= 0);
          if (values.length) tokens[this.pick(values)] = this.pick(['1', '1.5', '"x"', 'true', 'null', 'RED', '[1]', '{}', '$v0', '99999999999']);
          break;
        }
        case 8: { // the type of a variable
          const marks = tokens.map((t, i) => (t === '$' && tokens[i + 2] === ':' ? i + 3 : -1)).filter((i) => i >= 0);
          if (marks.length) tokens[this.pick(marks)] = this.pick([...types, 'Int', 'String', '[Int]', 'Boolean']);
          break;
        }
        case 9: { // an alias that another field has
          const marks = tokens.map((t, i) => (/^a\d+$/.test(t) ? i : -1)).filter((i) => i >= 0);
          if (marks.length) tokens[this.pick(marks)] = this.pick(['a0', 'name', 'a1', 'version']);
          break;
        }
        case 10: { // a selection once more, or a part of it
          const end = Math.min(tokens.length, at + 1 + this.below(6));
          tokens.splice(end, 0, ...tokens.slice(at, end));
          break;
        }
        default: { // a selection goes
          const open = tokens.lastIndexOf('{', at);
          const close = tokens.indexOf('}', at);
          if (open > 0 && close > open) tokens.splice(open, close - open + 1);
          break;
        }
      }
      if (!tokens.length) tokens = ['{'];
    }
    return tokens.join(' ').replace(/\$ /g, '$').replace(/@ /g, '@');
  }
}

// The rule that graphql-js adds to the specification's.
const rules = graphql.specifiedRules.filter((r) => r.name !== 'MaxIntrospectionDepthRule');

// Scalars take of literals what the service's take; graphql-js knows only their names.
function teach_scalars(schema) {
  const teach = (name, takes) => {
    const type = schema.getType(name);
    if (type) type.parseLiteral = (node) => {
      if (!takes(node)) throw new graphql.GraphQLError(`no ${name}`);
      return graphql.valueFromASTUntyped(node);
    };
  };
  teach('Long', (n) => n.kind === 'IntValue' && BigInt(n.value) === BigInt.asIntN(64, BigInt(n.value)));
  teach('DateTime', (n) => n.kind === 'StringValue' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(n.value));
}

// "" if the document is valid, else graphql-js's first reason.
function verdict(schema, text) {
  let document;
  try {
    document = graphql.parse(text);
  } catch (e) {
    return String(e.message);
  }
  try {
    const errors = graphql.validate(schema, document, rules);
    return errors.length ? errors[0].message : '';
  } catch (e) { // 16.11.0 stumbles over an undefined variable in an input object of which one field is wanted
    return String(e.message);
  }
}

function documents(schema, seed, n) {
  teach_scalars(schema);
  const maker = new Maker(schema, seed), found = [];
  for (let i = 0; i < n; i++) {
    const text = i % 3 === 0 ? maker.sound() : maker.damaged();
    found.push({text, why: verdict(schema, text)});
  }
  return found;
}

module.exports = {documents};
