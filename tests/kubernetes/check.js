/*
 * check.js FOLDER: reads documents as JSON (an array) from stdin and prints, as an array, what is wrong with each by the schemas of the
 * package kubernetes-models in FOLDER/node_modules; "" if nothing is.
 *
 * Its validators let pass what they do not know, as JSON schemas do; Kubernetes refuses a misspelt field. So each object is given to them
 * behind a proxy, which remembers what they looked at: a field that nobody asked for is in no schema.
 */
"use strict";
const path = require("path");
const folder = path.resolve(process.argv[2], "node_modules", "kubernetes-models");

function modelOf(document) {
	const { apiVersion = "", kind = "" } = document;
	if (!/^[a-z0-9./-]+$/.test(apiVersion) || !/^[A-Za-z]+$/.test(kind)) throw new Error("apiVersion and kind do not name anything");
	try {
		return require(path.join(folder, apiVersion, kind))[kind];
	} catch {
		throw new Error(`there is no ${kind} in ${apiVersion}`);
	}
}

function watched(value, at, unasked) {
	if (typeof value !== "object" || value === null) return value;
	const inner = Array.isArray(value) ? value.map((v, i) => watched(v, `${at}/${i}`, unasked)) : {};
	if (Array.isArray(value)) return inner;
	for (const key of Object.keys(value)) {
		inner[key] = watched(value[key], `${at}/${key}`, unasked);
		unasked.add(`${at}/${key}`);
	}
	return new Proxy(inner, {
		get(target, key) {
			unasked.delete(`${at}/${String(key)}`);
			return target[key];
		},
		ownKeys(target) { /* a map: whatever its keys are, each is looked at */
			for (const key of Object.keys(target)) unasked.delete(`${at}/${key}`);
			return Reflect.ownKeys(target);
		},
	});
}

function problem(document) {
	const unasked = new Set();
	try {
		modelOf(document).prototype.validate.call(watched(document, "", unasked));
	} catch (e) {
		return e.message;
	}
	return [...unasked].map((at) => `${at}: there is no such field`).join("; ");
}

console.log(JSON.stringify(JSON.parse(require("fs").readFileSync(0, "utf8")).map(problem)));
