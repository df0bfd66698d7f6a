const labConfig = require('@jupyterlab/testing/lib/jest-config');

module.exports = {
  ...labConfig(__dirname),
  reporters: ['default'],
  testRegex: 'src/__tests__/.*\\.spec\\.tsx?$',
  // Lab's packages are ECMAScript modules, which jest reads only when transformed.
  transformIgnorePatterns: [
    '/node_modules/(?!(@jupyter|@jupyterlab|@microsoft|@codemirror|@marijn|color|exenv-es6|lib0|marked|nanoid|y-protocols|yjs)/).+'
  ]
};
