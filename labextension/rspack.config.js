module.exports = {
  // Ids in order of use: the default ids depend on the folder of the build, and
  // the wheel would too.
  optimization: { chunkIds: 'natural', moduleIds: 'natural' }
};
