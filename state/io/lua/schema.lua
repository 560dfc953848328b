#!lua flags=allow-oom
-- The number of partitions and the layout's version, fixed by whoever comes first.
-- 1 version, 2 partitions. The last key is used to try every command that the other
-- scripts need, so that a missing permission shows now and not in the middle of a commit.
-- It may be the only one: a server of a cluster that does not hold the schema.
local k=KEYS[#KEYS]
redis.call('SET',k,'x')
redis.call('GET',k)
redis.call('GETRANGE',k,0,0)
redis.call('RENAME',k,k)
redis.call('EXISTS',k)
redis.call('MSET',k,'x')
redis.call('MGET',k)
redis.call('UNLINK',k)
redis.call('HSET',k,'a','1')
redis.call('HINCRBY',k,'a',1)
redis.call('HGET',k,'a')
redis.call('HMGET',k,'a')
redis.call('HGETALL',k)
redis.call('HDEL',k,'a')
redis.call('ZADD',k,1,'a')
redis.call('ZCARD',k)
redis.call('ZSCAN',k,'0')
redis.call('ZREVRANGEBYLEX',k,'+','-')
redis.call('ZSCORE',k,'a')
redis.call('ZCOUNT',k,0,1)
redis.call('ZRANGE',k,0,0)
redis.call('ZREVRANGE',k,0,0)
redis.call('ZRANGEBYSCORE',k,0,1)
redis.call('ZREMRANGEBYSCORE',k,5,6)
redis.call('ZREMRANGEBYRANK',k,5,6)
redis.call('ZREM',k,'a')
if #KEYS==1 then return {} end
redis.call('HSETNX',KEYS[1],'version',ARGV[1])
redis.call('HSETNX',KEYS[1],'partitions',ARGV[2])
return redis.call('HMGET',KEYS[1],'version','partitions')
