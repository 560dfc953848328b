#!lua
-- 1 nonce, 2 table version, 3 owner, 4 now
local owner=KEYS[1]..'owner'
local a=cmsgpack.unpack(ARGV[1])
local o=redis.call('HMGET',owner,'epoch','nonce','table_version')
if o[2]==a[1] then return {'OK',o[1],o[3]} end
-- Decimal text without leading zeros: exact for all 64 bits, which a number is not.
local stored,given=o[3],a[2]
if stored and (#stored>#given or #stored==#given and stored>given) then
  return {'CONFLICT',o[1],stored}
end
local epoch=redis.call('HINCRBY',owner,'epoch',1)
redis.call('HSET',owner,'nonce',a[1],'owner',a[3],'table_version',given,'since',a[4])
return {'OK',epoch,given}
